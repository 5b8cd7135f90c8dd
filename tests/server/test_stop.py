"""Stopping: gracefully on request, and what a second server on the directory is told."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.conftest import QUICK_START, StartKiwi
from tests.support.client import encode
from tests.support.servers import kiwi
from tests.support.stopping import answered_while_stopping


@pytest.mark.parametrize("mode", ["dual", "single"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_stops(
    start_kiwi: StartKiwi, mode: str, number: signal.Signals
) -> None:
    server = start_kiwi(runtime_mode=mode)
    with server.client() as client:
        assert client.pipeline([("SET", f"k{n}", "v" * n) for n in range(500)]) == [b"OK"] * 500
        server.signal(number)
        assert client.read_until_closed() == b""
    assert server.wait() == 0
    server.start()
    with server.client() as client:
        assert client.command("DBSIZE") == 500
        assert client.command("GET", "k499") == b"v" * 499
        assert client.info()["runtime_mode"] == mode


def test_what_was_executed_is_answered_before_the_stop(start_kiwi: StartKiwi) -> None:
    server = start_kiwi()
    answered = answered_while_stopping(server, lambda: server.signal(signal.SIGTERM), 2000)
    assert server.wait() == 0
    server.start()
    with server.client() as client:
        assert client.command("DBSIZE") == answered


@pytest.mark.parametrize("words", [("SHUTDOWN",), ("SHUTDOWN", "NOSAVE")])
def test_shutdown_stops_like_a_signal(start_kiwi: StartKiwi, words: tuple[str, ...]) -> None:
    server = start_kiwi()
    with server.client() as client:
        assert client.command("SET", "a", "1") == b"OK"
        client.send(encode(*words))
        assert client.read_until_closed() == b""
    assert server.wait() == 0
    server.start()
    with server.client() as client:
        assert client.command("GET", "a") == b"1"


@pytest.mark.parametrize("mode", ["always", "everysec", "no"])
def test_a_dead_process_loses_nothing_acknowledged(start_kiwi: StartKiwi, mode: str) -> None:
    """In every mode: a reply waits for `write`, and what the kernel has outlives the process."""
    server = start_kiwi(appendfsync=mode)
    with server.client() as client:
        assert client.command("SET", "a", "1") == b"OK"
        assert client.command("SET", "large", b"x" * 100_000) == b"OK"
        server.kill()
    server.start()
    with server.client() as client:
        assert client.pipeline([("GET", "a"), ("STRLEN", "large")]) == [b"1", 100_000]


def test_a_second_server_on_the_directory_is_refused(start_kiwi: StartKiwi, tmp_path: Path) -> None:
    first = start_kiwi()
    second = kiwi(tmp_path / "data", QUICK_START)
    second.output_path = tmp_path / "second.output"
    with pytest.raises(Exception, match="it ended with 3"):
        second.start()
    output = second.output()
    assert "in use" in output or "locked" in output.lower()
    assert "Traceback" not in output
    with first.client() as client:
        assert client.command("SET", "a", "1") == b"OK"


def test_a_taken_port_is_named(start_kiwi: StartKiwi, tmp_path: Path) -> None:
    first = start_kiwi()
    second = kiwi(tmp_path / "other", QUICK_START, port=first.port)
    second.start(wait=False)
    assert second.wait() == 1
    assert str(first.port) in second.output()
    assert "Traceback" not in second.output()
