"""Users of a whole server: over open connections, in transactions and scripts, and in its file."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.client import Client, ErrorReply
from tests.support.servers import ServerProcess, kiwi, wait_until

NOPERM_SET = "NOPERM User u has no permissions to run the 'set' command"
NOPERM_KEY = "NOPERM No permissions to access a key"
AT_EXEC = (
    "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC "
    "call. This command is no longer allowed for the following reason: "
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("acl")
    (directory / "users.acl").write_bytes(b"")
    settings = {"aclfile": str(directory / "users.acl")}
    with kiwi(directory / "data", settings) as process:
        yield process


@pytest.fixture
def admin(server: ServerProcess) -> Iterator[Client]:
    """Afterwards there is no user but `default`."""
    with server.client() as client:
        yield client
        names = [name for name in client.command("ACL", "USERS") if name != b"default"]
        if names:
            client.command("ACL", "DELUSER", *names)
        client.command("ACL", "LOG", "RESET")
        client.command("ACL", "SETUSER", "default", "reset", "on", "nopass", "~*", "&*", "+@all")


def log_in(server: ServerProcess, admin: Client, *rules: str, name: str = "u") -> Client:
    """A connection of a new user."""
    assert admin.command("ACL", "SETUSER", name, "reset", "on", ">p", *rules) == b"OK"
    client = server.client()
    assert client.command("AUTH", name, "p") == b"OK"
    return client


def log_of(admin: Client) -> list[dict[bytes, Any]]:
    entries = admin.command("ACL", "LOG", "100")
    return [dict(zip(entry[::2], entry[1::2], strict=True)) for entry in entries]


def text(reply: Any) -> str:
    assert isinstance(reply, ErrorReply), reply
    return str(reply)


def test_a_change_acts_at_once_on_open_connections(server: ServerProcess, admin: Client) -> None:
    with log_in(server, admin, "+@all", "~k") as client:
        assert client.command("SET", "k", "1") == b"OK"
        assert text(client.command("SET", "other", "1")) == NOPERM_KEY
        admin.command("ACL", "SETUSER", "u", "-set")
        assert text(client.command("SET", "k", "2")) == NOPERM_SET
        admin.command("ACL", "SETUSER", "u", "+@all", "allkeys", "allchannels")
        assert client.pipeline([("SET", "any", "2"), ("GET", "any")]) == [b"OK", b"2"]
        admin.command("ACL", "SETUSER", "u", "resetkeys")
        assert text(client.command("GET", "any")) == NOPERM_KEY
        assert client.command("ACL", "WHOAMI") == b"u"


def test_the_default_user_may_be_restricted(server: ServerProcess, admin: Client) -> None:
    with log_in(server, admin, "+@all", "~*", "&*", name="boss") as boss, server.client() as early:
        boss.command("ACL", "SETUSER", "default", "-@all", "+get", "+acl")
        with server.client() as late:
            for client in (early, late):
                assert client.command("GET", "k") is None or client.command("GET", "k") == b"1"
                refusal = text(client.command("SET", "k", "1"))
                assert refusal == NOPERM_SET.replace("User u", "User default")
        boss.command("ACL", "SETUSER", "default", "off")
        with server.client() as locked_out:
            assert text(locked_out.command("GET", "k")) == "NOAUTH Authentication required."
            assert text(locked_out.command("AUTH", "default", "x")).startswith("WRONGPASS ")
        boss.command("ACL", "SETUSER", "default", "on", "+@all")


def test_a_pipeline_logs_in_and_out(server: ServerProcess, admin: Client) -> None:
    admin.command("ACL", "SETUSER", "u", "on", ">p", "~*", "+get", "+reset")
    replies = admin.pipeline(
        [("SET", "k", "1"), ("AUTH", "u", "p"), ("SET", "k", "2"), ("GET", "k"), ("RESET",),
         ("SET", "k", "3"), ("HELLO", "2", "AUTH", "u", "no"), ("ACL", "WHOAMI")]
    )  # fmt: skip
    assert [replies[0], replies[1], replies[3], replies[5]] == [b"OK", b"OK", b"1", b"OK"]
    assert text(replies[2]) == NOPERM_SET
    assert text(replies[6]).startswith("WRONGPASS ")
    assert replies[7] == b"default"


def test_a_removed_user_is_disconnected(server: ServerProcess, admin: Client) -> None:
    with log_in(server, admin, "+@all", "~*") as first, log_in(server, admin, name="v") as other:
        assert admin.command("ACL", "DELUSER", "u", "nobody", "u") == 1
        assert first.read_until_closed() == b""
        assert text(other.command("GET", "k")).startswith("NOPERM ")
    with log_in(server, admin, "+acl", name="self") as myself:
        assert myself.command("ACL", "DELUSER", "self") == 1
        assert myself.read_until_closed() == b""
    assert text(admin.command("ACL", "DELUSER", "v", "default")) == (
        "ERR The 'default' user cannot be removed"
    )
    assert b"v" in admin.command("ACL", "USERS")


def test_subscribers_lose_what_is_taken_from_them(server: ServerProcess, admin: Client) -> None:
    with (
        log_in(server, admin, "+@all", "&news", "&other*") as news,
        log_in(server, admin, "+@all", "allchannels", name="v") as patterns,
    ):
        assert text(news.command("SUBSCRIBE", "foreign")) == (
            "NOPERM No permissions to access a channel"
        )
        assert news.command("SUBSCRIBE", "news")[2] == 1
        assert patterns.command("PSUBSCRIBE", "other*")[2] == 1
        admin.command("ACL", "SETUSER", "u", "resetchannels", "&news")
        admin.command("ACL", "SETUSER", "v", "resetchannels", "&other*")
        assert news.command("PING") == [b"pong", b""]
        assert patterns.command("PING") == [b"pong", b""]
        admin.command("ACL", "SETUSER", "u", "resetchannels")
        admin.command("ACL", "SETUSER", "v", "resetchannels", "&other1")
        assert news.read_until_closed() == b""
        assert patterns.read_until_closed() == b""


def test_queued_commands_are_checked_twice(server: ServerProcess, admin: Client) -> None:
    with log_in(server, admin, "+@all", "~k", "&*") as client:
        assert client.command("MULTI") == b"OK"
        assert text(client.command("SET", "other", "1")) == NOPERM_KEY
        assert text(client.command("EXEC")).startswith("EXECABORT ")
        queued = [("MULTI",), ("SET", "k", "1"), ("GET", "k"), ("PUBLISH", "c", "m"), ("INCR", "k")]
        client.pipeline(queued)
        admin.command("ACL", "SETUSER", "u", "-get", "resetchannels")
        first, second, third, fourth = client.command("EXEC")
        assert (first, fourth) == (b"OK", 2)
        assert text(second) == AT_EXEC + "no permission to execute the command or subcommand"
        assert text(third) == AT_EXEC + (
            "no permission to access one of the channels used as arguments"
        )
    found = {(entry[b"object"], entry[b"context"]) for entry in log_of(admin)}
    assert found == {(b"other", b"multi"), (b"get", b"multi"), (b"c", b"multi")}


def test_commands_of_scripts_are_checked(server: ServerProcess, admin: Client) -> None:
    with log_in(server, admin, "+@all", "-set", "~k") as client:
        denied = text(client.command("EVAL", "return redis.call('set', 'k', '1')", 0))
        assert denied.startswith(
            "ERR ACL failure in script: User u has no permissions to run the 'set' command"
        )
        script = "return redis.pcall('get', ARGV[1])"
        denied = text(client.command("EVAL", script, 0, "other"))
        assert denied == "ERR ACL failure in script: No permissions to access a key"
        assert client.command("EVAL", script, 0, "k") in (None, b"1", b"2", b"3")
        assert text(client.command("EVAL", script, 1, "other", "k")) == NOPERM_KEY
    wait_until(lambda: len(log_of(admin)) == 3, "the denials of scripts")
    assert {(each[b"object"], each[b"context"], each[b"reason"]) for each in log_of(admin)} == {
        (b"set", b"lua", b"command"),
        (b"other", b"lua", b"key"),
        (b"other", b"toplevel", b"key"),
    }


def test_a_new_storage_process_knows_the_users(server: ServerProcess, admin: Client) -> None:
    with log_in(server, admin, "+@all", "~k") as client:
        before = admin.info()["storage_process_id"]
        os.kill(int(before), signal.SIGKILL)
        wait_until(lambda: admin.info().get("storage_process_id") not in (None, before), "storage")
        script = "return redis.call('get', KEYS[1])"
        assert not isinstance(client.command("EVAL", script, 1, "k"), ErrorReply)
        denied = text(client.command("EVAL", "return redis.call('get', 'x')", 0))
        assert denied.startswith("ERR ACL failure in script: No permissions to access a key")


def test_the_log_tells_who_did_what(server: ServerProcess, admin: Client) -> None:
    assert text(admin.command("AUTH", "nobody", "x")).startswith("WRONGPASS ")
    with log_in(server, admin, "+get", "~k") as client:
        for _ in range(2):
            assert text(client.command("GET", "other")) == NOPERM_KEY
        identity = admin.command("CLIENT", "LIST").split(b"\n")[-2].split(b" ")[0]
    key, auth = log_of(admin)
    assert (key[b"count"], key[b"reason"], key[b"object"]) == (2, b"key", b"other")
    assert (key[b"username"], key[b"context"]) == (b"u", b"toplevel")
    assert key[b"client-info"].startswith(identity + b" ")
    assert b" cmd=get user=u " in key[b"client-info"]
    assert (auth[b"reason"], auth[b"object"], auth[b"username"]) == (b"auth", b"AUTH", b"nobody")
    assert int(admin.info()["acl_access_denied_key"]) >= 2
    admin.command("CONFIG", "SET", "acllog-max-len", 1)
    assert text(admin.command("AUTH", "other", "x")).startswith("WRONGPASS ")
    assert [entry[b"username"] for entry in log_of(admin)] == [b"other"]
    admin.command("CONFIG", "SET", "acllog-max-len", 128)
    assert admin.command("ACL", "LOG", "RESET") == b"OK"
    assert admin.command("ACL", "LOG") == []


def test_users_are_saved_and_loaded(server: ServerProcess, admin: Client) -> None:
    path = server.directory.parent / "users.acl"
    with log_in(server, admin, "~k", "+@read") as kept, log_in(server, admin, name="v") as gone:
        listed = admin.command("ACL", "LIST")
        assert admin.command("ACL", "SAVE") == b"OK"
        assert path.read_bytes() == b"".join(line + b"\n" for line in listed)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(each for each in lines if not each.startswith(b"user v ")))
        admin.command("ACL", "SETUSER", "u", "-get")
        assert admin.command("ACL", "LOAD") == b"OK"
        assert gone.read_until_closed() == b""
        assert not isinstance(kept.command("GET", "k"), ErrorReply)
        path.write_bytes(b"user u on\nuser w oops\n")
        assert text(admin.command("ACL", "LOAD")) == (
            f"ERR {path}:2: Syntax error. WARNING: ACL errors detected, no change to the "
            "previously active ACL rules was performed"
        )
        assert not isinstance(kept.command("GET", "k"), ErrorReply)
        path.unlink()
        assert text(admin.command("ACL", "LOAD")) == (
            f"ERR Error loading ACLs, opening file '{path}': No such file or directory"
        )
        path.write_bytes(b"")


def test_no_password_is_shown_to_others(server: ServerProcess, admin: Client) -> None:
    admin.command("CONFIG", "SET", "slowlog-log-slower-than", 0)
    with log_in(server, admin, "+@all", ">hush1") as client:
        client.pipeline([("AUTH", "u", "hush1"), ("HELLO", "2", "AUTH", "u", "hush1")])
    admin.command("CONFIG", "SET", "slowlog-log-slower-than", -1)
    shown = [words for entry in admin.command("SLOWLOG", "GET", -1) for words in entry[3]]
    assert b"SETUSER" in shown and b"AUTH" in shown
    assert not any(b"hush" in word for word in shown)


def test_clients_are_killed_by_user(server: ServerProcess, admin: Client) -> None:
    with log_in(server, admin, "+@all") as client:
        assert admin.command("CLIENT", "KILL", "USER", "u") == 1
        assert client.read_until_closed() == b""
    assert text(admin.command("CLIENT", "KILL", "USER", "x")) == "ERR No such user 'x'"


def test_sort_reads_no_other_keys(server: ServerProcess, admin: Client) -> None:
    with log_in(server, admin, "+@all", "~k*") as client:
        assert client.command("RPUSH", "klist", "1", "2") == 2
        denied = "ERR %s option of SORT denied due to insufficient ACL permissions."
        assert text(client.command("SORT", "klist", "BY", "w*")) == denied % "BY"
        assert text(client.command("SORT", "klist", "GET", "#")) == denied % "GET"
        assert client.command("SORT", "klist", "BY", "nosort", "DESC") == [b"2", b"1"]
        admin.command("ACL", "SETUSER", "u", "%R~*")
        assert client.command("SORT", "klist", "GET", "#") == [b"1", b"2"]


def test_a_thousand_users(server: ServerProcess, admin: Client) -> None:
    rules = (
        "on",
        ">p",
        "~app:*",
        "%R~shared:*",
        "&events:*",
        "-@all",
        "+@read",
        "+@write",
        "-keys",
    )
    names = [f"user{number}" for number in range(1000)]
    commands = [("ACL", "SETUSER", name, *rules) for name in names]
    assert admin.pipeline(commands) == [b"OK"] * 1000
    assert len(admin.command("ACL", "LIST")) == 1001
    assert admin.command("AUTH", "user999", "p") == b"OK"
    assert text(admin.command("KEYS", "*")).startswith("NOPERM ")
    assert admin.command("AUTH", "default", "") == b"OK"
