"""Writers held back on a real server: who waits, who does not, and what becomes of what waited."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from kiwi_engine.clock import monotonic_ns
from tests.conftest import StartKiwi
from tests.support.backlog import SETTINGS, Backlog
from tests.support.client import Client, ErrorReply, encode
from tests.support.servers import kiwi, wait_until

_SEED = 1
# Taken while writers are slowed down; between two of them there are reads.
_SLOW_SAMPLES = 5


def stop_writers(client: Client) -> None:
    """The log always keeps more than a byte, so this holds until `let_writers_go`."""
    assert client.command("CONFIG", "SET", "throttle-wal-slow", 1, "throttle-wal-stop", 1) == b"OK"
    wait_until(lambda: client.info("backpressure")["state"] == "stop", "the stop")


def let_writers_go(client: Client) -> None:
    assert client.command("CONFIG", "SET", "throttle-wal-slow", 0, "throttle-wal-stop", 0) == b"OK"


def slow_samples(backlog: Backlog) -> int:
    return sum(sample.state == "slow" for sample in backlog.monitor.samples)


def test_a_real_backlog_slows_writers_down_and_loses_nothing(tmp_path: Path) -> None:
    """Level 0 of RocksDB fills up; reads and PING are answered meanwhile; then a kill."""
    with kiwi(tmp_path / "data", SETTINGS) as server:
        backlog = Backlog(server.port, writers=3, pipeline=100, seed=_SEED)
        backlog.start(idle_s=0.1)
        try:
            wait_until(lambda: slow_samples(backlog) >= _SLOW_SAMPLES, "slower writes", 60)
        finally:
            backlog.stop()
        assert backlog.problems() == []
        slow_reads = [
            latency
            for latency in backlog.latencies
            if latency.kind == "read" and backlog.state_at(latency.at_ns) != "none"
        ]
        assert slow_reads
        with server.client() as client:
            assert backlog.verify(client) == []
        server.kill()
        server.start()
        with server.client() as client:
            assert backlog.verify(client) == []


def test_reads_go_on_although_waiting_writes_fill_the_channel(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(channel_buffer_size=100)
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(server.client())
        writers = [stack.enter_context(server.client()) for _ in range(3)]
        assert reader.command("SET", "k", "v") == b"OK"
        stop_writers(reader)
        for number, writer in enumerate(writers):
            writer.send(b"".join(encode("SET", f"k{number}:{n}", "v") for n in range(2000)))
        wait_until(
            lambda: int(reader.info("channel")["pending_requests"]) >= 100, "a channel that is full"
        )
        for _ in range(50):
            assert reader.command("GET", "k") == b"v"
            assert reader.command("PING") == b"PONG"
        with server.client() as newcomer:
            assert newcomer.pipeline([("GET", "k"), ("PING",), ("GET", "nothing")]) == [
                b"v",
                b"PONG",
                None,
            ]
        pressure = reader.info("backpressure")
        assert pressure["state"] == "stop"
        assert pressure["reason"].startswith("wal_bytes ")
        assert int(pressure["deferred_commands"]) >= 100
        let_writers_go(reader)
        for writer in writers:
            assert [writer.reply() for _ in range(2000)] == [b"OK"] * 2000
        assert reader.command("DBSIZE") == 6001


def test_a_connection_keeps_its_order_while_its_writes_wait(start_kiwi: StartKiwi) -> None:
    server = start_kiwi()
    with server.client() as other, server.client() as client:
        assert client.command("SET", "k", "old") == b"OK"
        stop_writers(other)
        client.send(encode("SET", "k", "new") + encode("PING"))
        client.send(encode("GET", "k"))
        wait_until(
            lambda: other.info("backpressure")["deferred_connections"] == "1", "a waiting write"
        )
        assert other.command("GET", "k") == b"old"
        let_writers_go(other)
        assert [client.reply() for _ in range(3)] == [b"OK", b"PONG", b"new"]


def test_a_write_that_waits_too_long_is_denied(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(request_timeout=2000)
    with server.client() as other, server.client() as client:
        stop_writers(other)
        denied, after = client.pipeline([("SET", "k", "v"), ("GET", "k")])
        assert isinstance(denied, ErrorReply)
        assert str(denied).startswith("BUSY writes have to wait: wal_bytes ")
        assert str(denied).endswith("; not executed")
        assert after is None
        assert int(other.info("backpressure")["refused_commands"]) >= 1
        let_writers_go(other)
        wait_until(lambda: client.command("SET", "k", "v") == b"OK", "writes that run again")


def test_an_orderly_stop_answers_what_waits(start_kiwi: StartKiwi) -> None:
    server = start_kiwi()
    with server.client() as other, server.client() as client:
        stop_writers(other)
        client.send(encode("SET", "k", "v") * 20)
        wait_until(
            lambda: other.info("backpressure")["deferred_commands"] == "20", "waiting writes"
        )
        started_ns = monotonic_ns()
        server.signal(signal.SIGTERM)
        assert client.read_until_closed() == b"+OK\r\n" * 20
        assert monotonic_ns() - started_ns < 8_000_000_000, "it does not wait to give them up"
    assert server.wait() == 0
    server.start()
    with server.client() as client:
        assert client.command("GET", "k") == b"v"


def test_waiting_writes_of_a_dead_storage_process_are_unknown(start_kiwi: StartKiwi) -> None:
    """Nobody can tell that they had not been made; its successor holds writers back as well."""
    server = start_kiwi()
    with server.client() as other, server.client() as client:
        assert client.command("SET", "k", "old") == b"OK"
        stop_writers(other)
        client.send(encode("SET", "k", "new") + encode("GET", "k"))
        wait_until(
            lambda: other.info("backpressure")["deferred_commands"] == "2", "a waiting write"
        )
        os.kill(int(other.info("server")["storage_process_id"]), signal.SIGKILL)
        outcome, value = client.reply(), client.reply()
        assert str(outcome).startswith("UNKNOWN outcome: ")
        assert value == b"old"
        client.send(encode("SET", "k", "again"))
        wait_until(
            lambda: other.info("backpressure").get("deferred_commands") == "1", "a waiting write"
        )
        let_writers_go(other)
        assert client.reply() == b"OK"


@pytest.mark.parametrize("mode", ["single", "dual"])
def test_both_modes_hold_writers_back(start_kiwi: StartKiwi, mode: str) -> None:
    server = start_kiwi(runtime_mode=mode)
    with server.client() as other, server.client() as client:
        stop_writers(other)
        client.send(encode("INCR", "k"))
        wait_until(
            lambda: other.info("backpressure")["deferred_commands"] == "1", "a waiting write"
        )
        let_writers_go(other)
        assert client.reply() == 1


def test_a_hot_key_is_told_and_may_be_limited(start_kiwi: StartKiwi) -> None:
    server = start_kiwi()
    with server.client() as client:

        def is_told() -> bool:
            client.pipeline([("INCR", "hot key") for _ in range(200)])
            return "key=hot\\x20key" in client.info("hotkeys").get("hot_key_1", "")

        wait_until(is_told, "the hot key")
        assert client.command("CONFIG", "SET", "write-hot-key-limit", 5) == b"OK"
        wait_until(lambda: client.info("hotkeys")["write_hot_key_limit"] == "5", "the limit")
        replies = client.pipeline([("SET", "hot key", "v") for _ in range(100)])
        denied = [reply for reply in replies if isinstance(reply, ErrorReply)]
        assert len(denied) >= 85, "a second may end in between"
        assert {str(reply) for reply in denied} == {
            "BUSY hot key 'hot\\x20key': more than 5 writes a second; not executed"
        }
        assert int(client.info("hotkeys")["writes_rejected"]) == len(denied)
        assert client.command("GET", "hot key") == b"v"
        assert client.command("CONFIG", "SET", "write-hot-key-limit", 0) == b"OK"
        wait_until(lambda: client.info("hotkeys")["write_hot_key_limit"] == "0", "no limit")
        assert client.pipeline([("SET", "hot key", "v")] * 100) == [b"OK"] * 100
