"""Scripts that take long, on a running server: BUSY, SCRIPT KILL, and stopping meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from kiwi_engine import clock
from tests.support.client import Client, ErrorReply, encode
from tests.support.servers import ServerProcess, kiwi, wait_until

_LOOP: Final = "while true do end"
_STUBBORN: Final = "while true do pcall(function() while true do end end) end"
_BUSY: Final = (
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
)
_KILLED: Final = "ERR Script killed by user with SCRIPT KILL... script: "
_SETTINGS: Final[dict[str, str | int]] = {
    "busy-reply-threshold": 100,
    "request-timeout": 1000,
    "appendfsync": "no",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with kiwi(tmp_path_factory.mktemp("slow") / "data", _SETTINGS) as process:
        yield process


@pytest.fixture
def runner(server: ServerProcess) -> Iterator[Client]:
    with Client(server.port) as client:
        yield client


@pytest.fixture
def other(server: ServerProcess) -> Iterator[Client]:
    with Client(server.port) as client:
        yield client


def _is_busy(client: Client) -> bool:
    reply = client.command("GET", "anything")
    return isinstance(reply, ErrorReply) and str(reply).startswith("BUSY ")


def _start(runner: Client, other: Client, script: str) -> None:
    runner.send(encode("EVAL", script, 0))
    wait_until(lambda: _is_busy(other), "the script to be slow")


def test_others_are_told_that_a_script_runs_and_can_end_it(runner: Client, other: Client) -> None:
    _start(runner, other, _LOOP)
    replies = other.pipeline([["GET", "a"], ["SET", "a", "1"], ["PING"], ["EVAL", "return 1", 0]])
    assert [str(reply) for reply in replies[:2]] == [_BUSY, _BUSY]
    assert replies[2] == b"PONG"
    assert str(replies[3]) == _BUSY
    assert other.command("SCRIPT", "KILL") == b"OK"
    assert str(runner.reply()).startswith(_KILLED)
    assert other.command("GET", "a") is None
    assert str(other.command("SCRIPT", "KILL")) == "NOTBUSY No scripts in execution right now."


@pytest.mark.parametrize(
    "script",
    [
        _STUBBORN,
        "while true do xpcall(function() while true do end end, function() end) end",
        "while true do local c = coroutine.wrap(function() while true do end end) pcall(c) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "while true do redis.pcall('GET', 'a') end",
        "local function f() return pcall(f) end while true do f() end",
        "while true do loadstring('local i = 0 while i < 1e7 do i = i + 1 end')() end",
        "local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
        "table.sort({1, 2, 3}, function() while true do end end)",
        "string.gsub('abc', '.', function() while true do end end)",
    ],
)
def test_no_script_survives(runner: Client, other: Client, script: str) -> None:
    _start(runner, other, script)
    assert other.command("SCRIPT", "KILL") == b"OK"
    assert str(runner.reply()).startswith("ERR ")
    # The interpreter is as good as new.
    assert (
        runner.command("EVAL", "local n = 0 for i = 1, 1e6 do n = n + 1 end return n", 0) == 10**6
    )


def test_one_that_has_written_cannot_be_killed(runner: Client, other: Client) -> None:
    script = "redis.call('SET', 'written', 1) local n = 0 while n < 3e7 do n = n + 1 end return n"
    _start(runner, other, script)
    assert str(other.command("SCRIPT", "KILL")).startswith("UNKILLABLE Sorry the script already")
    assert runner.reply() == 3 * 10**7
    assert other.command("GET", "written") == b"1"


def test_a_script_may_take_longer_than_requests(runner: Client, other: Client) -> None:
    started_ns = clock.monotonic_ns()
    runner.send(encode("EVAL", _LOOP, 0))
    # Behind the script on its connection: it waits, and is not late.
    runner.send(encode("SET", "behind", "1"))
    while clock.monotonic_ns() - started_ns < 1_600_000_000:
        assert other.command("PING") == b"PONG"
        clock.sleep(0.05)
    assert other.command("SCRIPT", "KILL") == b"OK"
    assert str(runner.reply()).startswith(_KILLED)
    assert runner.reply() == b"OK"


def test_settings_wait_and_questions_are_answered(runner: Client, other: Client) -> None:
    _start(runner, other, _LOOP)
    assert other.info("persistence")["writes_refused"] == "0"
    assert other.command("CONFIG", "SET", "hash-max-listpack-entries", 3) == b"OK"
    assert other.command("SCRIPT", "KILL") == b"OK"
    assert isinstance(runner.reply(), ErrorReply)
    other.command("HSET", "h", "a", 1, "b", 2, "c", 3, "d", 4)
    assert other.command("OBJECT", "ENCODING", "h") == b"hashtable"
    assert other.command("CONFIG", "SET", "hash-max-listpack-entries", 128) == b"OK"


def test_a_transaction_is_aborted(runner: Client, other: Client) -> None:
    _start(runner, other, _LOOP)
    replies = other.pipeline([["MULTI"], ["SET", "m", "1"], ["EXEC"]])
    assert str(replies[2]) == f"EXECABORT Transaction discarded because of: {_BUSY}"
    assert other.command("SCRIPT", "KILL") == b"OK"
    assert isinstance(runner.reply(), ErrorReply)
    assert other.command("GET", "m") is None


def test_the_threshold_can_be_switched_off(runner: Client, other: Client) -> None:
    assert other.command("CONFIG", "SET", "lua-time-limit", 0) == b"OK"
    try:
        runner.send(encode("EVAL", "local n = 0 while n < 1e8 do n = n + 1 end return n", 0))
        clock.sleep(0.3)
        # Answered by the script's end, not by BUSY.
        assert other.command("GET", "anything") is None
        assert runner.reply() == 10**8
    finally:
        assert other.command("CONFIG", "SET", "busy-reply-threshold", 100) == b"OK"


def test_a_server_stops_while_a_script_runs(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    script = f"redis.call('SET', 'half', 1) {_LOOP}"
    settings = {**_SETTINGS, "appendfsync": "always"}
    with (
        kiwi(directory, settings) as process,
        Client(process.port) as runner,
        Client(process.port) as other,
    ):
        assert other.command("SET", "kept", "1") == b"OK"
        _start(runner, other, script)
        started_ns = clock.monotonic_ns()
        other.send(encode("SHUTDOWN", "NOSAVE"))
        process.wait()
        assert clock.monotonic_ns() - started_ns < 9_000_000_000
    with kiwi(directory, settings) as process, Client(process.port) as client:
        assert client.command("GET", "kept") == b"1"
        assert client.command("GET", "half") is None


def test_one_that_has_not_written_is_killed_when_the_server_stops(tmp_path: Path) -> None:
    with (
        kiwi(tmp_path / "data", _SETTINGS) as process,
        Client(process.port) as runner,
        Client(process.port) as other,
    ):
        _start(runner, other, _LOOP)
        assert process.stop() == 0
        assert "a script was killed" in process.output()


def test_in_one_process_a_script_that_loops_is_ended(tmp_path: Path) -> None:
    settings = {**_SETTINGS, "runtime-mode": "single"}
    with kiwi(tmp_path / "data", settings) as process, Client(process.port) as client:
        assert str(client.command("EVAL", _STUBBORN, 0)).startswith(_KILLED)
        assert client.command("EVAL", "return 1", 0) == 1
