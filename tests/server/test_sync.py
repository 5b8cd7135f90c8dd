"""Seen from outside: replies leave behind their sync, and what a failed sync does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import StartKiwi
from tests.support.client import Client, ErrorReply
from tests.support.strace import attached, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "strace works")

WRITES = ("write", "writev", "sendto", "sendmsg")
# Nothing but the log may sync while a test looks.
QUIET = {"drain_interval": 3_600_000, "value_threshold": 1000}


def syncing_process_id(client: Client) -> int:
    return int(client.info()["storage_process_id"])


def events(trace: Path) -> list[str]:
    """The trace as a row of "sync" (one returned) and "reply" (an OK goes out)."""
    found = []
    for line in trace.read_text().splitlines():
        if re.search(r"fdatasync\(.*\) += 0|fdatasync resumed.*= 0", line):
            found.append("sync")
        elif any(f" {call}(" in line for call in WRITES) and "+OK" in line:
            found.append("reply")
    return found


@pytest.mark.parametrize("mode", ["dual", "single"])
@pytest.mark.parametrize("value", ["small", "x" * 5000], ids=["in the log", "in the value log"])
def test_each_reply_follows_a_sync(
    start_kiwi: StartKiwi, tmp_path: Path, mode: str, value: str
) -> None:
    server = start_kiwi(runtime_mode=mode, **QUIET)
    trace = tmp_path / "trace"
    options = ["-s", "128", "-e", f"trace=fdatasync,{','.join(WRITES)}"]
    with server.client() as client:
        with attached(syncing_process_id(client), options, trace):
            for number in range(20):
                assert client.command("SET", f"k{number}", value) == b"OK"
        seen = events(trace)
    assert seen.count("reply") == 20
    synced = False
    for event in seen:
        assert event == "sync" or synced, "a reply left without a sync before it"
        synced = event == "sync"


def test_a_pipeline_shares_one_sync(start_kiwi: StartKiwi, tmp_path: Path) -> None:
    server = start_kiwi(**QUIET)
    trace = tmp_path / "trace"
    with server.client() as client:
        with attached(syncing_process_id(client), ["-e", "trace=fdatasync"], trace):
            assert client.pipeline([("SET", f"k{n}", n) for n in range(200)]) == [b"OK"] * 200
        # One group if the pipeline arrives in one piece; a few if it does not.
        assert 1 <= events(trace).count("sync") <= 10


@pytest.mark.parametrize("mode", ["dual", "single"])
def test_a_failed_sync_makes_the_server_read_only(
    start_kiwi: StartKiwi, tmp_path: Path, mode: str
) -> None:
    server = start_kiwi(runtime_mode=mode, **QUIET)
    with server.client() as client:
        assert client.command("SET", "before", "1") == b"OK"
        process_id = syncing_process_id(client)
        fault = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=1"]
        with attached(process_id, fault, tmp_path / "trace"):
            failed = client.command("SET", "failed", "1")
        assert isinstance(failed, ErrorReply)
        # The fault is gone, but nothing may be trusted to this log any more.
        for words in (("SET", "later", "1"), ("DEL", "before"), ("INCR", "n")):
            refused = client.command(*words)
            assert isinstance(refused, ErrorReply)
            assert str(refused).startswith("MISCONF ")
            assert "Input/output error" in str(refused)
        assert client.command("GET", "before") == b"1"
        assert client.command("EXISTS", "failed", "later", "n") == 0
        assert "Input/output error" in client.info()["last_sync_error"]
        assert syncing_process_id(client) == process_id
    server.kill()
    server.start()
    with server.client() as client:
        assert client.command("GET", "before") == b"1"
        assert client.command("EXISTS", "later") == 0
        assert client.command("SET", "later", "1") == b"OK"
