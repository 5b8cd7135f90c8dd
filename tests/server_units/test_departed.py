"""What a connection leaves behind in the storage runtime when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kiwi_engine.channel.frames import Request, Run, RunFlags
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
