"""Functions on a running server: they outlive it, and one that takes too long can be ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.client import Client, ErrorReply, encode
from tests.support.servers import ServerProcess, kiwi, wait_until

_CODE: Final = """#!lua name=lib
redis.register_function('count', function(keys) return redis.call('incr', keys[1]) end)
redis.register_function('loop', function(keys) while true do end end)
redis.register_function('write', function(keys)
  redis.call('set', keys[1], 'x')
  local started = os.clock()
  repeat until os.clock() - started > 1.5
  return 'done'
end)
"""
_SETTINGS: Final[dict[str, str | int]] = {"busy-reply-threshold": 100, "appendfsync": "always"}
_KILL_ONLY: Final = "You can only call FUNCTION KILL or SHUTDOWN NOSAVE."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with kiwi(tmp_path_factory.mktemp("functions") / "data", _SETTINGS) as process:
        yield process


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    with server.client() as client:
        assert client.command("FUNCTION", "LOAD", "REPLACE", _CODE) == b"lib"
        yield client


def _is_busy(client: Client) -> bool:
    reply = client.command("GET", "anything")
    return isinstance(reply, ErrorReply) and str(reply).startswith("BUSY ")


def _start(runner: Client, client: Client, *words: str | int) -> None:
    """Send an FCALL, and wait until it is known to be slow.

    A GET that was executed before it in one group would be answered after it only.
    """
    runner.send(encode(*words))
    wait_until(lambda: b" cmd=fcall" in client.command("CLIENT", "LIST"), "the call to arrive")
    wait_until(lambda: _is_busy(client), "the function to be slow")


def test_a_function_that_loops_can_be_looked_at_and_ended(
    server: ServerProcess, client: Client
) -> None:
    with server.client() as runner:
        _start(runner, client, "FCALL", "loop", 1, "key", "argument")
        stats = client.command("FUNCTION", "STATS")
        running = dict(zip(stats[1][::2], stats[1][1::2], strict=True))
        assert running[b"name"] == b"loop"
        assert running[b"command"] == [b"FCALL", b"loop", b"1", b"key", b"argument"]
        assert running[b"duration_ms"] >= 100
        assert stats[3] == [b"LUA", [b"libraries_count", 1, b"functions_count", 3]]
        assert b"\r\nnumber_of_functions:3\r\n" in client.command("INFO", "memory")
        for words in (["SCRIPT", "KILL"], ["FUNCTION", "LIST"], ["FCALL", "count", 1, "key"]):
            assert str(client.command(*words)).endswith(_KILL_ONLY)
        assert client.command("FUNCTION", "KILL") == b"OK"
        assert str(runner.reply()).endswith("script: loop, on @user_function:3.")
    assert client.command("FUNCTION", "STATS")[1] is None
    assert str(client.command("FUNCTION", "KILL")).startswith("NOTBUSY ")


def test_a_function_that_has_written_is_waited_for(server: ServerProcess, client: Client) -> None:
    with server.client() as runner:
        _start(runner, client, "FCALL", "write", 1, "written")
        assert str(client.command("FUNCTION", "KILL")).startswith("UNKILLABLE ")
        assert runner.reply() == b"done"
    assert client.command("GET", "written") == b"x"


def test_libraries_in_a_transaction(client: Client) -> None:
    client.command("DEL", "key")
    queued: list[list[str | int]] = [
        ["MULTI"],
        ["FUNCTION", "DELETE", "lib"],
        ["FCALL", "count", 1, "key"],
        ["FUNCTION", "LOAD", _CODE],
        ["FCALL", "count", 1, "key"],
        ["EXEC"],
    ]
    *_, replies = client.pipeline(queued)
    assert [replies[0], *replies[2:]] == [b"OK", b"lib", 1]
    assert str(replies[1]) == "ERR Function not found"


def test_libraries_are_durable(server: ServerProcess, client: Client) -> None:
    client.command("FUNCTION", "LOAD", _CODE.replace("name=lib", "name=gone").replace("'", "'no_"))
    client.command("FUNCTION", "DELETE", "gone")
    client.command("SET", "key", 0)
    assert client.command("FCALL", "count", 1, "key") == 1
    server.kill()
    server.start()
    with server.client() as again:
        assert b"\r\nnumber_of_libraries:1\r\n" in again.command("INFO", "memory")
        assert again.command("FCALL", "count", 1, "key") == 2
        assert [library[1] for library in again.command("FUNCTION", "LIST")] == [b"lib"]
