"""What users may call: commands, keys and channels, and the words of refusals."""

from __future__ import annotations

import pytest

from kiwi_engine.acl.permission import Denial, Reason, denial, may_read_any_key
from kiwi_engine.acl.revocation import channels_left, may_keep
from kiwi_engine.acl.user import User
from kiwi_engine.acl.users import Users
from kiwi_engine.commands.resolve import resolve


def user_with(rules: str) -> User:
    return Users().changed(b"u", rules.encode().split(b" "))


def denied(rules: str, call: str) -> Denial | None:
    words = call.encode().split(b" ")
    return denial(user_with(rules), words, resolve(words))


@pytest.mark.parametrize(
    ("rules", "call"),
    [
        ("+get ~*", "get k"),
        ("+@read ~k", "get k"),
        ("+config|get", "config get x"),
        ("+select|1", "select 1"),
        ("+@all", "ping"),
        ("", "auth x"),
        ("", "hello"),
        ("+get %R~k", "get k"),
        ("+set %W~k", "set k v"),
        ("+set ~k", "set k v get"),
        ("+copy %R~a %W~b", "copy a b"),
        ("+bitfield %R~k", "bitfield k get u8 0 overflow sat"),
        ("+get ~a (+get ~k)", "get k"),
        ("+publish &news*", "publish news1 x"),
        ("+subscribe &a &b", "subscribe a b"),
        ("+psubscribe &a*", "psubscribe a*"),
        ("+unsubscribe", "unsubscribe anything"),
        ("+zunionstore ~a", "zunionstore b nonsense c"),
        ("+xread ~a", "xread nonsense a"),
    ],
)
def test_allowed(rules: str, call: str) -> None:
    assert denied(rules, call) is None


@pytest.mark.parametrize(
    ("rules", "call", "reason", "subject"),
    [
        ("~*", "get k", Reason.COMMAND, b"get"),
        ("+@all -config|set", "config set a b", Reason.COMMAND, b"config|set"),
        ("+select|1", "select 2", Reason.COMMAND, b"select"),
        ("+ping|x", "ping", Reason.COMMAND, b"ping"),
        ("+get ~a", "get k", Reason.KEY, b"k"),
        ("+get %W~k", "get k", Reason.KEY, b"k"),
        ("+set %R~k", "set k v", Reason.KEY, b"k"),
        ("+set %W~k", "set k v get", Reason.KEY, b"k"),
        ("+copy ~a %R~b", "copy a b", Reason.KEY, b"b"),
        ("+bitfield %R~k", "bitfield k get u8 0 set u8 0 1", Reason.KEY, b"k"),
        ("+mget ~a (+mget ~b)", "mget a b", Reason.KEY, b"b"),
        ("+mget ~c (+mget ~a)", "mget a b", Reason.KEY, b"b"),
        ("(+get ~a)", "get k", Reason.KEY, b"k"),
        ("+publish", "publish news x", Reason.CHANNEL, b"news"),
        ("+publish &other", "publish news x", Reason.CHANNEL, b"news"),
        ("+subscribe &a", "subscribe a b", Reason.CHANNEL, b"b"),
        ("+psubscribe &a*", "psubscribe ab*", Reason.CHANNEL, b"ab*"),
    ],
)
def test_denied(rules: str, call: str, reason: Reason, subject: bytes) -> None:
    found = denied(rules, call)
    assert found is not None
    assert (found.reason, found.subject) == (reason, subject)


def test_the_words_of_refusals() -> None:
    command = Denial("u", "config|set", Reason.COMMAND, b"config|set")
    key = Denial("u", "get", Reason.KEY, b"k")
    channel = Denial("u", "publish", Reason.CHANNEL, b"news")
    assert [each.error for each in (command, key, channel)] == [
        "NOPERM User u has no permissions to run the 'config|set' command",
        "NOPERM No permissions to access a key",
        "NOPERM No permissions to access a channel",
    ]
    assert [each.explanation for each in (command, key, channel)] == [
        "User u has no permissions to run the 'config|set' command",
        "User u has no permissions to access the 'k' key",
        "User u has no permissions to access the 'news' channel",
    ]
    assert key.error_in_script == "ERR ACL failure in script: No permissions to access a key"
    begin = (
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the "
        "EXEC call. This command is no longer allowed for the following reason: "
    )
    assert [each.error_at_exec.removeprefix(begin) for each in (command, key, channel)] == [
        "no permission to execute the command or subcommand",
        "no permission to touch the specified keys",
        "no permission to access one of the channels used as arguments",
    ]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("+sort ~list", False),
        ("+sort ~list ~w*", False),
        ("+sort ~list %W~*", False),
        ("+sort ~list %R~*", True),
        ("+sort allkeys", True),
        ("(+sort ~list) (%R~*)", False),
        ("(+sort %R~*)", True),
    ],
)
def test_who_may_sort_by_other_keys(rules: str, expected: bool) -> None:
    words = [b"sort", b"list", b"by", b"w*"]
    assert may_read_any_key(user_with(rules), words, resolve(words)) is expected


def test_who_may_do_everything_is_known() -> None:
    assert user_with("+@all ~* &*").allows_everything
    assert user_with("(+@all ~* &*)").allows_everything
    assert user_with("+@all -get +get ~* &*").allows_everything
    for rules in ("+@all ~*", "+@all &*", "~* &*", "+@all -get ~* &*", "+@all %R~* &*"):
        assert not user_with(rules).allows_everything


@pytest.mark.parametrize(
    ("old", "new", "is_taken"),
    [
        ("&*", "&*", False),
        ("&a", "&a &b", False),
        ("&a (&b)", "&b &a", False),
        ("&a", "allchannels", False),
        ("&a &b", "&a", True),
        ("allchannels", "&a", True),
        ("(&*)", "&a", True),
    ],
)
def test_channels_that_are_taken_away(old: str, new: str, is_taken: bool) -> None:
    assert (channels_left(user_with(old), user_with(new)) is not None) is is_taken


def test_which_subscriptions_may_stay() -> None:
    left = channels_left(user_with("&*"), user_with("&news* &b"))
    assert left is not None
    assert may_keep(left, [b"news1", b"b"], [b"news*"])
    assert not may_keep(left, [b"old"], [])
    assert not may_keep(left, [], [b"news1*"])
