"""The engine as a server runs it: real files, RocksDB, the log thread and background jobs."""

from __future__ import annotations

import os
import signal
import threading
from multiprocessing import get_context
from pathlib import Path
from random import Random

import pytest

from kiwi_engine.clock import monotonic_ns, sleep
from kiwi_engine.commit.group import PendingReply
from kiwi_engine.commit.policy import BatchLimits
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.errors import LockedError, ReplyError
from kiwi_engine.index.settings import IndexSettings
from tests.engine.model import ALL_KEYS, tally

SETTINGS = EngineSettings(
    batch=BatchLimits(64, 4096, 0),
    value_threshold=64,
    drain_entries_max=100,
    drain_bytes_max=4096,
    drain_interval_ns=1_000_000,
    wal_retained_bytes_max=8192,
    disk_reserve_bytes=0,
    pending_bytes_max=16_384,
    clean_cache_bytes=4096,
    wal_segment_bytes=4096,
    value_segment_bytes=16_384,
    index=IndexSettings(block_cache_bytes=1 << 20, write_buffer_bytes=1 << 20),
)


# Whoever was let in may exceed the bound once: a request, and a slice of a value log segment that
# is collected, whose entries in memory take three times its bytes at most.
PENDING_BYTES_MAX = SETTINGS.pending_bytes_max + 8192 + 3 * SETTINGS.value_segment_bytes


class Server:
    """Runs requests on an engine in `path` and keeps what is acknowledged."""

    def __init__(self, path: Path) -> None:
        self.acknowledged = 0
        self.errors: list[ReplyError] = []
        self.engine = Engine.open(str(path), SETTINGS, tally, self._deliver)
        self.expected: dict[bytes, bytes] = {}
        self.submitted = 0

    def write(self, random: Random, count: int) -> None:
        for _ in range(count):
            self.wait_for_permission()
            self.engine.begin()
            for _ in range(random.randint(1, 8)):
                key = b"k%03d" % random.randrange(300)
                if random.random() < 0.2:
                    self.engine.store.delete(key)
                    self.expected.pop(key, None)
                else:
                    value = random.randbytes(random.choice([3, 40, 64, 500]))
                    self.engine.store.put(key, value)
                    self.expected[key] = value
            self.submitted += 1
            self.engine.answer(self.submitted, b"+OK\r\n", 1)
            self.engine.end()
            self.engine.maintain()
            if self.submitted % 20 == 0:
                self.check_reads()
            assert self.engine.store.pending_bytes() <= PENDING_BYTES_MAX

    def wait_for_permission(self) -> None:
        deadline_ns = monotonic_ns() + 20_000_000_000
        while self.engine.write_delay_s() > 0:
            assert monotonic_ns() < deadline_ns, "writers are let go on some time"
            self.engine.maintain()
            sleep(0.001)

    def check_reads(self) -> None:
        """Right in the middle of whatever the background threads are doing."""
        assert contents(self.engine) == self.expected
        if self.submitted % 100 == 0:
            assert self.engine.store.count(ALL_KEYS) == len(self.expected)

    def _deliver(self, replies: list[PendingReply], error: ReplyError | None) -> None:
        if error is not None:
            self.errors.append(error)
        elif replies:
            assert replies[0][0] == self.acknowledged + 1, "replies keep their order"
            self.acknowledged = replies[-1][0]


def contents(engine: Engine) -> dict[bytes, bytes]:
    keys = [key for key, _ in engine.store.range(b"a", b"z")]
    return {key: engine.store.get(key) or b"" for key in keys}


def write_and_die(path: Path, seed: int) -> None:
    """What a kill leaves: nothing is closed, so nothing is flushed on the way."""
    server = Server(path)
    server.write(Random(seed), 1500)
    server.engine.pipeline.wait_idle()
    assert server.acknowledged == 1500
    os.kill(os.getpid(), signal.SIGKILL)


def expected_after(path: Path, seed: int) -> dict[bytes, bytes]:
    """What the same seed writes, closed properly in `path`."""
    server = Server(path)
    try:
        with pytest.raises(LockedError):
            Server(path)
        server.write(Random(seed), 1500)
        assert contents(server.engine) == server.expected
        assert server.engine.store.count(ALL_KEYS) == len(server.expected)
        server.engine.pipeline.wait_idle()
        assert server.acknowledged == server.submitted == 1500
    finally:
        server.engine.close()
    assert server.errors == []
    return server.expected


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_written_is_there_after_a_close_and_after_a_kill(tmp_path: Path, seed: int) -> None:
    closed, killed = tmp_path / "closed", tmp_path / "killed"
    expected = expected_after(closed, seed)
    child = get_context("spawn").Process(target=write_and_die, args=(killed, seed))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    for path, is_replayed in ((killed, True), (closed, False)):
        again = Server(path)
        report = again.engine.opened.report
        try:
            assert bool(report.records_replayed) == is_replayed
            assert contents(again.engine) == expected
            assert again.engine.store.count(ALL_KEYS) == len(expected)
        finally:
            again.engine.close()


def test_housekeeping_drains_releases_and_holds_writers_back(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    engine, housekeeping = server.engine, server.engine.housekeeping
    threads = {thread for thread in threading.enumerate() if thread.name == "kiwi-log"}
    try:
        server.write(Random(3), 800)
        deadline_ns = monotonic_ns() + 20_000_000_000
        while not housekeeping.segments_released:
            assert monotonic_ns() < deadline_ns, "log segments are released some time"
            engine.maintain()
            sleep(0.005)
        assert housekeeping.drains > 1
        held_by = {row.measure for each in engine.pressure.history for row in each.state.reasons}
        assert "write_buffer_bytes" in held_by
        assert engine.opened.log.facts().oldest_lsn > 1
    finally:
        engine.close()
    assert threads.isdisjoint(threading.enumerate())
