"""What a connection leaves behind in the storage runtime when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kiwi_engine.channel.frames import ReceivedRequest, Request, Run, RunFlags
from tests.server_units.test_blocked_execution import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.runtime.close()


def test_a_deferred_transaction_still_watches_when_its_client_has_gone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was executed unconditionally: the end of a connection is told in front of its turn."""
    runtime, watched = bench.runtime, bench.runtime.executor.watched

    def run(identity: int, source: int, *words: bytes, flags: int = 0) -> Run:
        return Run(identity, 0, 0, False, [list(words)], source, flags, "", 0)

    runtime.handle(Request([run(9001, 7, b"watch", b"k"), run(9002, 8, b"set", b"k", b"1")], []))
    delay_s = [0.05]
    monkeypatch.setattr(runtime.engine, "write_delay_s", lambda: delay_s[0])
    monkeypatch.setattr(runtime.engine.pressure, "is_free", lambda: delay_s[0] == 0)
    runtime.handle(Request([run(9003, 7, b"incr", b"made", flags=RunFlags.ATOMIC)], []))
    runtime.handle(Request([run(9004, 7, b"watch", b"k")], [], [7]))
    assert 9003 not in bench.replies
    delay_s[0] = 0.0
    assert bench.wait(9003, 9004) == [b"*-1\r\n", b"+OK\r\n"]
    assert bench.ask("get made") == [b"$-1\r\n"]
    assert len(watched) == 0


def test_all_connections_of_a_network_process_end_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those whose runs are deferred, which are executed; those of others stay."""
    runtime, watched = bench.runtime, bench.runtime.executor.watched
    monkeypatch.setattr(runtime, "_process_count", 2)

    def run(identity: int, source: int, *words: bytes, flags: int = 0) -> Run:
        return Run(identity, 0, 0, False, [list(words)], source, flags, "", 0)

    delay_s = [0.05]
    monkeypatch.setattr(runtime.engine, "write_delay_s", lambda: delay_s[0])
    monkeypatch.setattr(runtime.engine.pressure, "is_free", lambda: delay_s[0] == 0)
    runtime.handle(Request([run(9000 + at, at, b"watch", b"k") for at in (7, 8, 9, 10)], []))
    runtime.handle(Request([run(9012, 12, b"blpop", b"q", b"0", flags=RunFlags.BLOCKING)], []))
    runtime.handle(Request([run(9020, 10, b"set", b"made", b"1")], []))
    runtime.runs.return_until_resumed([13, 14])
    runtime.handle(ReceivedRequest([], [], ended=(1,)))
    assert watched.sources() == {7, 9, 10}, "the last command of 10 may be an EXEC"
    delay_s[0] = 0.0
    runtime.tick()
    assert watched.sources() == {7, 9}
    assert bench.waiting == 0
    assert runtime.runs._returning == {13}
    assert bench.ask("get made") == [b"$1\r\n1\r\n"]
