"""Rules, and the form in which they are told again."""

from __future__ import annotations

import hashlib

import pytest

from kiwi_engine.acl.absent import ABSENT
from kiwi_engine.acl.commands import BITS, CATEGORIES, CATEGORY_BITS, EVERY_BIT, find, names_in
from kiwi_engine.acl.rules import UnmatchedParenthesisError, merge_selectors
from kiwi_engine.acl.user import DEFAULT_NAME, User, default_user, new_user
from kiwi_engine.acl.users import Users
from kiwi_engine.commands.registry import COMMANDS
from kiwi_engine.errors import ReplyError

HASH = hashlib.sha256(b"secret").hexdigest()
AFTER_ALL_KEYS = (
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have "
    "any effect. Try 'resetkeys' to start with an empty list of patterns"
)
AFTER_ALL_CHANNELS = (
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not "
    "have any effect. Try 'resetchannels' to start with an empty list of channels"
)
NO_HASH = (
    "The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
    "characters"
)
UNKNOWN = "Unknown command or category name in ACL"
NO_PASSWORD = "The password you are trying to remove from the user does not exist"


def user_with(*rules: str | bytes, all_channels: bool = False) -> User:
    words = [rule if isinstance(rule, bytes) else rule.encode() for rule in rules]
    return Users(all_channels).changed(b"someone", words)


def described(*rules: str | bytes) -> str:
    """Without what every new user has."""
    text = user_with(*rules).describe().decode()
    return text.removeprefix("off sanitize-payload ")


def refusal(*rules: str | bytes) -> str:
    with pytest.raises(ReplyError) as caught:
        user_with(*rules)
    return caught.value.text


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("", "resetchannels -@all"),
        ("on", "on sanitize-payload resetchannels -@all"),
        ("ON OFF", "resetchannels -@all"),
        ("nopass >x nopass", "off nopass sanitize-payload resetchannels -@all"),
        (f">secret #{HASH}", f"#{HASH} resetchannels -@all"),
        (">secret <secret", "resetchannels -@all"),
        (f">secret !{HASH}", "resetchannels -@all"),
        ("nopass resetpass", "resetchannels -@all"),
        ("skip-sanitize-payload", "off skip-sanitize-payload resetchannels -@all"),
        ("skip-sanitize-payload sanitize-payload", "resetchannels -@all"),
        ("~a* %R~b %w~c %rw~d %WR~e", "~a* %R~b %W~c ~d ~e resetchannels -@all"),
        ("%R~a %W~a %R~a", "~a resetchannels -@all"),
        ("%R~a ~b %R~a", "%R~a ~b resetchannels -@all"),
        ("%RW", "~ resetchannels -@all"),
        ("~x allkeys", "~* resetchannels -@all"),
        ("allkeys resetkeys ~x", "~x resetchannels -@all"),
        ("%R~*", "%R~* resetchannels -@all"),
        ("&a &b &a", "resetchannels &a &b -@all"),
        ("&a allchannels", "&* -@all"),
        ("&* resetchannels &a", "resetchannels &a -@all"),
        ("+get -set", "resetchannels -@all +get -set"),
        ("+GET +Config|Get", "resetchannels -@all +get +config|get"),
        ("+get -get", "resetchannels -@all -get"),
        ("+get +set +get", "resetchannels -@all +set +get"),
        ("+config|get +config", "resetchannels -@all +config"),
        ("+config +config|get -config|set", "resetchannels -@all +config +config|get -config|set"),
        ("+@READ -@read", "resetchannels -@all -@read"),
        ("+@all -get", "resetchannels +@all -get"),
        ("-get allcommands", "resetchannels +@all"),
        ("+get nocommands", "resetchannels -@all"),
        ("+select|0 +select|A", "resetchannels -@all +select|0 +select|a"),
        ("+select|0 +select", "resetchannels -@all +select"),
        ("-cluster +cluster|info", "resetchannels -@all -cluster +cluster|info"),
        ("(~a) (+get)", "resetchannels -@all (~a resetchannels -@all) (resetchannels -@all +get)"),
        ("(~a) clearselectors", "resetchannels -@all"),
        ("()", "resetchannels -@all (resetchannels -@all)"),
        ("on >x ~a &b +get (~a) skip-sanitize-payload reset", "resetchannels -@all"),
    ],
)  # fmt: skip
def test_what_rules_make(rules: str, expected: str) -> None:
    assert described(*rules.split(" ")) == expected


@pytest.mark.parametrize(
    ("rules", "wrong", "reason"),
    [
        ("foo", "foo", "Syntax error"),
        ("on oof", "oof", "Syntax error"),
        ("+nosuch", "+nosuch", UNKNOWN),
        ("-nosuch", "-nosuch", UNKNOWN),
        ("+@nosuch", "+@nosuch", UNKNOWN),
        ("+config|nosuch", "+config|nosuch", UNKNOWN),
        ("+nosuch|get", "+nosuch|get", UNKNOWN),
        ("-select|0", "-select|0", UNKNOWN),
        ("+select|0|1", "+select|0|1", UNKNOWN),
        ("+config|get|x", "+config|get|x", "Allowing first-arg of a subcommand is not supported"),
        ("+select|", "+select|", "Syntax error"),
        ("+config|", "+config|", "Syntax error"),
        ("~* ~a", "~a", AFTER_ALL_KEYS),
        ("allkeys %R~a", "%R~a", AFTER_ALL_KEYS),
        ("&* &a", "&a", AFTER_ALL_CHANNELS),
        ("%~a", "%~a", "Syntax error"),
        ("%RR~a", "%RR~a", "Syntax error"),
        ("%X~a", "%X~a", "Syntax error"),
        ("<secret", "<secret", NO_PASSWORD),
        (f"!{HASH}", f"!{HASH}", NO_PASSWORD),
        ("#abc", "#abc", NO_HASH),
        (f"#{HASH.upper()}", f"#{HASH.upper()}", NO_HASH),
        ("!abc", "!abc", NO_HASH),
        ("(+nosuch ~a)", "(+nosuch ~a)", UNKNOWN),
        ("(on)", "(on)", "Syntax error"),
    ],
)
def test_what_is_wrong_with_rules(rules: str, wrong: str, reason: str) -> None:
    assert refusal(*rules.split(" ")) == f"ERR Error in ACL SETUSER modifier '{wrong}': {reason}"


@pytest.mark.parametrize("rule", [b"~a b", b"&a\tb", b"~a\0", b"%R~a b", b"+select|a b"])
def test_patterns_without_spaces(rule: bytes) -> None:
    assert refusal(rule).endswith(": Syntax error")


def test_a_selector_may_be_one_word_or_several() -> None:
    assert merge_selectors([b"on", b"(~a", b"+get", b")", b"(~b)"]) == [
        b"on",
        b"(~a +get )",
        b"(~b)",
    ]
    with pytest.raises(UnmatchedParenthesisError):
        merge_selectors([b"(~a", b"+get"])
    message = "ERR Unmatched parenthesis in acl selector starting at '(~a'."
    assert refusal("on", "(~a", "+get") == message


def test_a_selector_may_quote() -> None:
    assert described(b'(~a "+get")').endswith("(~a resetchannels -@all +get)")
    assert described(b'(~a "+get)').endswith("-@all (resetchannels -@all)")


def test_what_follows_a_nul_byte_does_not_count() -> None:
    assert described(b"+get\0garbage") == "resetchannels -@all +get"
    assert refusal(b"foo\0bar") == "ERR Error in ACL SETUSER modifier 'foo': Syntax error"


def test_passwords_may_hold_any_byte() -> None:
    user = user_with("on", b"> a\0b")
    assert user.accepts(b" a\0b")
    assert not user.accepts(b" a")


def test_who_may_log_in() -> None:
    assert user_with("on", "nopass").accepts(b"anything")
    assert user_with("on", ">a", ">b").accepts(b"b")
    assert not user_with("on", ">a").accepts(b"b")
    assert not user_with("on").accepts(b"")
    assert not user_with("off", "nopass").accepts(b"")


def test_a_failed_change_changes_nothing() -> None:
    users = Users()
    users.put(users.changed(b"a", [b"+get"]))
    before = users.get("a")
    with pytest.raises(ReplyError):
        users.changed(b"a", [b"+set", b"oops"])
    assert users.get("a") is before


@pytest.mark.parametrize("name", [b"a b", b"a\0", b"a\n", b"\ta"])
def test_names_have_no_spaces(name: bytes) -> None:
    with pytest.raises(ReplyError, match="can't contain spaces or null characters"):
        Users().changed(name, [])


def test_names_are_utf8() -> None:
    users = Users()
    users.put(users.changed("zoë".encode(), []))
    assert users.named("zoë".encode()) is not None
    assert users.named(b"\xff") is None
    with pytest.raises(ReplyError, match="must be UTF-8"):
        users.changed(b"\xff", [])


def test_users_come_in_the_order_of_their_names() -> None:
    users = Users()
    for name in (b"z", b"Z", "é".encode(), b"a"):
        users.put(users.changed(name, []))
    assert [user.name for user in users] == ["Z", "a", "default", "z", "é"]


def test_new_users_get_the_channels_that_are_the_default() -> None:
    assert user_with(all_channels=True).describe() == b"off sanitize-payload &* -@all"
    assert user_with("resetchannels", "reset", all_channels=True).root.all_channels
    assert user_with("(+get)", all_channels=True).selectors[1].all_channels


def test_the_default_user() -> None:
    assert default_user().line() == b"user default on nopass sanitize-payload ~* &* +@all"
    assert default_user().allows_everything
    users = Users()
    users.put(users.with_password(b"x"))
    assert users.default.accepts(b"x")
    assert not users.default.accepts(b"y")
    users.put(users.with_password(b"y"))
    assert not users.default.accepts(b"x")
    users.put(users.with_password(b""))
    assert users.default == default_user()


def test_default_is_always_there() -> None:
    users = Users()
    users.put(users.changed(b"a", []))
    users.replace([new_user("b", False)])
    assert [user.name for user in users] == ["b", DEFAULT_NAME]
    assert users.default == default_user()
    users.replace([new_user(DEFAULT_NAME, False)])
    assert not users.default.is_on


def test_a_described_user_can_be_made_again() -> None:
    first = user_with(
        "on", ">x", "~a*", "%R~b", "&c", "+@all", "-@dangerous", "+select|0", "-flushall",
        "(%W~x", "+set", "-@all", "+@write)", "(allkeys", "allchannels", "+get)",
    )  # fmt: skip
    again = user_with(*first.describe().split(b" "))
    assert again == first


def test_categories_hold_commands_and_subcommands() -> None:
    assert CATEGORY_BITS["read"] & BITS["get"]
    assert not CATEGORY_BITS["read"] & BITS["set"]
    assert CATEGORY_BITS["admin"] & BITS["config|set"]
    assert not CATEGORY_BITS["admin"] & BITS["config|help"]
    assert "config|set" in names_in("admin")
    assert {category for row in COMMANDS.values() for category in row.categories} <= set(CATEGORIES)
    assert user_with("+@all").root.commands == EVERY_BIT


def test_a_container_takes_its_subcommands_along() -> None:
    named = find(b"CONFIG")
    assert named is not None
    assert named.bits & BITS["config|get"]
    root = user_with("+config", "-config|set").root
    assert root.commands & BITS["config|get"]
    assert not root.commands & BITS["config|set"]


def test_commands_that_redis_has_may_be_named() -> None:
    assert ABSENT.isdisjoint(COMMANDS)
    for rule in ("-migrate", "+cluster", "-replicaof", "+module|load"):
        assert rule in described(rule)
    assert user_with("+@all", "-cluster").root.commands == EVERY_BIT
