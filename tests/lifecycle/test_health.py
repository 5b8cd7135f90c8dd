"""A storage process that does not answer: told apart, shown, and ended if that is wanted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiwi_engine.cli.facts import parse_info
from tests.conftest import QUICK_START, StartKiwi
from tests.lifecycle.watched import stopped, storage_process_id, wait_for_state
from tests.support.client import Client, encode
from tests.support.servers import ServerProcess, kiwi, wait_until

INTERVAL_MS = 50
CONNECTIONS = 20
WRITES_A_CONNECTION = 50


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One that looks often."""
    directory: Path = tmp_path_factory.mktemp("health") / "data"
    with kiwi(directory, {**QUICK_START, "runtime-health-interval": INTERVAL_MS}) as running:
        yield running


def history(runtime: dict[str, str]) -> list[str]:
    """The last changes, the newest first, without their times."""
    lines = [text for name, text in runtime.items() if name.startswith("history_")]
    return [line.partition(" ")[2] for line in lines]


def shown_by_stats(client: Client) -> dict[str, Any]:
    """What `kiwi-engine stats` makes of INFO."""
    return dict(parse_info(client.command("INFO", "everything").decode())["runtime"])


def test_both_runtimes_are_seen_running(server: ServerProcess, client: Client) -> None:
    runtime = wait_for_state(client, "running")
    assert runtime["storage_runtime_reason"] == ""
    # On a busy machine its loop may be late now and then.
    wait_until(lambda: client.info("runtime")["network_runtime_state"] == "running", "network")
    assert runtime["storage_restarts"] == "0"
    assert runtime["storage_restarts_left"] == "50"
    assert int(runtime["storage_last_recovery_ms"]) > 0
    assert "network_silence_ms_peak" in runtime
    assert "network running" in history(runtime)
    assert int(shown_by_stats(client)["heartbeat_age_ms"]) >= 0
    seen = int(runtime["heartbeats_answered"])
    wait_until(lambda: int(client.info("runtime")["heartbeats_answered"]) > seen, "a heartbeat")
    runtime = client.info("runtime")
    assert 0 < int(runtime["heartbeat_latency_us"]) <= int(runtime["heartbeat_latency_us_peak"])
    assert int(runtime["heartbeat_age_ms"]) >= 0


def test_one_that_is_stopped_is_degraded_until_it_goes_on(
    server: ServerProcess, client: Client
) -> None:
    process_id = storage_process_id(client)
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(server.client()) for _ in range(CONNECTIONS)]
        with stopped(process_id):
            for number, writer in enumerate(writers):
                names = [f"{number}:{n}" for n in range(WRITES_A_CONNECTION)]
                writer.send(b"".join(encode("SET", name, name) for name in names))
            runtime = wait_for_state(client, "degraded", "heartbeat: stopped by a signal")
            assert int(runtime["heartbeat_silence_ms"]) >= INTERVAL_MS
            assert shown_by_stats(client)["storage_runtime_state"] == "degraded"
            assert all(client.command("PING") == b"PONG" for _ in range(50))
            everything = client.info()
            assert "stopped by a signal" in everything["storage_error"]
            assert int(everything["storage_process_id"]) == process_id
        for writer in writers:
            assert [writer.reply() for _ in range(WRITES_A_CONNECTION)] == (
                [b"OK"] * WRITES_A_CONNECTION
            )
    runtime = wait_for_state(client, "running")
    lines = history(runtime)
    degraded = lines.index("storage degraded: no answer to a heartbeat: stopped by a signal")
    assert "storage running" in lines[:degraded]
    assert int(runtime["heartbeats_late"]) >= 1
    assert runtime["storage_restarts"] == "0"
    assert client.command("DBSIZE") == CONNECTIONS * WRITES_A_CONNECTION
    assert "warning storage runtime is degraded" in server.output()


def test_a_long_command_is_told_apart_from_that(server: ServerProcess, client: Client) -> None:
    with server.client() as other:
        other.send(encode("EVAL", "local n = 0; while n < 3e7 do n = n + 1 end; return 1", 0))
        wait_for_state(client, "degraded", "heartbeat: busy")
        assert other.reply() == 1
    wait_for_state(client, "running")


def test_one_that_hangs_is_ended_if_that_is_wanted(server: ServerProcess, client: Client) -> None:
    assert client.pipeline([("SET", f"k{n}", n) for n in range(100)]) == [b"OK"] * 100
    hung = storage_process_id(client)
    assert client.command("CONFIG", "SET", "storage-hang-timeout", "1s") == b"OK"
    with stopped(hung):
        assert client.command("GET", "k7") == b"7", "a read waits for the next process"
    runtime = wait_for_state(client, "running")
    assert client.command("CONFIG", "SET", "storage-hang-timeout", "0") == b"OK"
    assert storage_process_id(client) != hung
    assert client.command("DBSIZE") == 100
    assert int(runtime["storage_restarts"]) >= 1
    assert int(runtime["storage_restarts_left"]) == 50 - int(runtime["storage_restarts"])
    assert runtime["storage_last_exit"] == "SIGKILL"
    reason = "it died: SIGKILL (it had not answered for "
    assert any(line.startswith(f"storage recovering: {reason}") for line in history(runtime))
    assert "(stopped by a signal)" in server.output()


def test_in_one_process(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(runtime_mode="single", runtime_health_interval=INTERVAL_MS)
    with server.client() as client:
        wait_until(lambda: int(client.info("runtime")["heartbeats_answered"]) > 1, "heartbeats")
        assert client.command("DEBUG", "SLEEP", "0.3") == b"OK"
        wait_for_state(client, "running")
        wait_until(
            lambda: any("held up" in line for line in history(client.info("runtime"))),
            "the loop to notice that it was held up",
        )
