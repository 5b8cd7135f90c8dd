"""One engine, step by step: what it refuses, what it survives, what it must not show."""

from __future__ import annotations

import errno
from random import Random
from typing import Any

import msgspec
import pytest

from kiwi_engine.commit import pipeline
from kiwi_engine.commit.policy import BatchLimits
from kiwi_engine.engine import housekeeping
from kiwi_engine.engine.layout import Layout, Paths, encode_layout
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.errors import (
    CorruptionError,
    DiskFullError,
    EngineClosedError,
    EnginePoisonedError,
    IndexFailedError,
    LayoutError,
    LockedError,
    OverloadedError,
    UnknownOutcomeError,
)
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import FailAt, Fault
from kiwi_engine.testing.memory_index import MemoryIndex
from tests.engine.model import Change, History, Life, check_store
from tests.engine.stepped import tiny_steps

SETTINGS = EngineSettings(
    batch=BatchLimits(1, 1 << 20, 0),
    value_threshold=16,
    drain_entries_max=1 << 30,
    drain_interval_ns=1 << 60,
    disk_reserve_bytes=0,
    wal_segment_bytes=256,
    value_segment_bytes=300,
)
LARGE = b"a value beyond the threshold"


def new_life(**changes: Any) -> Life:
    settings = msgspec.structs.replace(SETTINGS, **changes)
    return Life(CrashFs(), MemoryIndex(), settings, History())


def killed(life: Life) -> Life:
    """The life after `kill -9`."""
    return Life(life.fs.restart(), life.index.crash(), life.settings, life.history)


def fail_next(life: Life, kind: str, number: int = errno.EIO, *, lasting: bool = False) -> None:
    life.fs.watch = FailAt(1, Fault(number), kinds=frozenset({kind}), lasting=lasting)


def commit(life: Life, *changes: Change) -> None:
    life.request(list(changes))
    life.pipeline.wait_idle()


def drain(life: Life) -> None:
    """Everything committed so far goes into the index."""
    if life.engine.store.draining is None:
        life.engine.housekeeping.seal()
    life.engine.maintain()
    while life.jobs.run_one():
        pass
    life.engine.maintain()
    assert life.engine.store.draining is None


# ---- opening


def test_one_directory_has_one_owner() -> None:
    life = new_life()
    with pytest.raises(LockedError):
        Life(life.fs, MemoryIndex(), SETTINGS, History())
    life.close()
    Life(life.fs, MemoryIndex(life.index.durable), SETTINGS, life.history).close()


def test_another_format_is_refused_and_the_lock_let_go() -> None:
    life = new_life()
    life.close()
    paths = Paths("/data")
    life.fs.overwrite(paths.layout, encode_layout(Layout(keys=2)))
    for _ in range(2):
        with pytest.raises(LayoutError, match="keys version 2"):
            Life(life.fs, MemoryIndex(), SETTINGS, History())


def test_damage_is_refused_and_nothing_is_changed() -> None:
    """Also where earlier records are intact: they are not applied to the index."""
    life = new_life()
    for number in range(12):
        commit(life, ("put", b"a%d" % (number % 4), b"value %d" % number))
    fs = life.fs.restart()
    path = sorted(path for path in fs.files() if path.endswith(".wal"))[1]
    content = bytearray(fs.files()[path])
    content[60] ^= 1
    fs.overwrite(path, bytes(content))
    before = fs.files()
    index = MemoryIndex()
    with pytest.raises(CorruptionError) as caught:
        Life(fs, index, msgspec.structs.replace(SETTINGS, pending_bytes_max=1), life.history)
    assert caught.value.path == path
    assert fs.files() == before
    assert index.durable == {}


def test_a_record_that_makes_no_sense_is_refused_with_its_place() -> None:
    life = new_life()
    commit(life, ("put", b"a0", b"value"))
    life.engine.opened.log.append(b"no changes, but a right checksum")
    fs = life.fs.restart()
    before = fs.files()
    with pytest.raises(CorruptionError, match="not a changes payload") as caught:
        Life(fs, MemoryIndex(), SETTINGS, life.history)
    assert (caught.value.path, caught.value.offset > 20) == ("/data/wal/0000000001.wal", True)
    assert fs.files() == before


def test_missing_log_segments_are_refused_by_their_lsns() -> None:
    life = new_life()
    for number in range(12):
        commit(life, ("put", b"a0", b"value %d" % number))
    fs = life.fs.restart()
    fs.remove(min(path for path in fs.files() if path.endswith(".wal")))
    with pytest.raises(CorruptionError, match=r"records 1 to .* are missing"):
        Life(fs, MemoryIndex(), SETTINGS, life.history)


def test_what_only_the_page_cache_held_after_a_failed_sync_does_not_come_back() -> None:
    life = new_life()
    commit(life, ("put", b"a0", b"safe"))
    fail_next(life, "sync")
    commit(life, ("put", b"a0", b"lost"))
    assert isinstance(life.errors[0], UnknownOutcomeError)
    again = killed(life)
    assert again.engine.store.get(b"a0") == b"safe"
    assert again.engine.refusal is None


@pytest.mark.parametrize(("torn", "letter"), [(0, "B"), (7, "D")])
def test_the_report_names_the_case(torn: int, letter: str) -> None:
    life = new_life(wal_segment_bytes=4096)
    assert life.engine.opened.report.case.letter == "A"
    commit(life, ("put", b"a0", b"value"))
    fs = life.fs.restart()
    if torn:
        (path,) = [path for path in fs.files() if path.endswith("01.wal")]
        file = fs.open(path, writable=True)
        file.pwritev([b"x" * torn], life.engine.opened.log._offset)
    report = Life(fs, MemoryIndex(), life.settings, life.history).engine.opened.report
    assert (report.case.letter, report.records_replayed, report.last_lsn) == (letter, 1, 1)
    assert bool(report.torn_tail) == (letter == "D")


def test_after_a_clean_close_there_is_nothing_to_replay() -> None:
    life = new_life()
    commit(life, ("put", b"a0", LARGE), ("put", b"b0", b"small"))
    state = life.state
    life.close()
    life.close()
    with pytest.raises(EngineClosedError):
        life.engine.begin()
    again = Life(life.fs, MemoryIndex(life.index.durable), SETTINGS, life.history)
    assert again.engine.opened.report.records_replayed == 0
    check_store(again.engine.store, state)


# ---- what must not be shown


def test_a_reader_of_a_write_that_fails_is_not_answered_with_it() -> None:
    life = new_life()
    commit(life, ("put", b"a0", b"old"))
    life.request([("put", b"a0", b"new")])
    fail_next(life, "sync")
    life.engine.begin()
    assert life.engine.store.get(b"a0") == b"new", "executed on top of what is not durable yet"
    life.engine.answer(99, b"$3\r\nnew\r\n", 1)
    life.pipeline.step()
    life.engine.end()
    life.pipeline.wait_idle()
    assert life.history.acknowledged == 1, "the reader got an error, not the value"
    life.request([])
    assert life.engine.store.get(b"a0") == b"old", "reads go on, with what was acknowledged"
    assert isinstance(life.engine.refusal, EnginePoisonedError)


def test_a_write_into_a_poisoned_engine_leaves_no_trace() -> None:
    life = new_life()
    commit(life, ("put", b"a0", b"old"))
    fail_next(life, "sync")
    commit(life, ("put", b"a0", b"new"))
    for _ in range(2):
        # As if the refusal came between its check and the write.
        life.engine.begin()
        life.engine.store.put(b"a0", b"newer")
        life.engine.end()
        life.engine.begin()
        assert life.engine.store.get(b"a0") == b"old"
        life.engine.end()


def test_a_full_disk_refuses_writes_until_space_is_freed() -> None:
    with tiny_steps():
        life = new_life()
        commit(life, ("put", b"a0", b"old"))
        fail_next(life, "allocate", errno.ENOSPC)
        commit(life, ("put", b"a0", LARGE))
        assert isinstance(life.errors[0], DiskFullError)
        life.request([])
        refused = life.engine.refusal
        assert isinstance(refused, DiskFullError)
        assert life.engine.store.get(b"a0") == b"old"
        life.engine.maintain()
        assert life.engine.refusal is None, "there is space: it goes on by itself"
        commit(life, ("put", b"a0", LARGE))
        assert killed(life).engine.store.get(b"a0") == LARGE


def test_a_group_beyond_the_limit_of_a_record_is_refused_and_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "PAYLOAD_BYTES_MAX", 100)
    life = new_life(value_threshold=1 << 20)
    commit(life, ("put", b"a0", b"small"))
    commit(life, ("put", b"a0", bytes(200)))
    assert [type(error) for error in life.errors] == [OverloadedError]
    life.request([])
    assert life.engine.refusal is None
    assert life.engine.store.get(b"a0") == b"small"
    commit(life, ("put", b"b0", b"next"))
    assert killed(life).engine.store.get(b"b0") == b"next"


# ---- background jobs


def test_no_room_for_the_next_log_segment_refuses_and_passes() -> None:
    with tiny_steps():
        life = new_life()
        fail_next(life, "allocate", errno.ENOSPC)
        life.engine.maintain()
        assert life.jobs.run_one(), "the next segment is made in the background"
        life.engine.housekeeping._disk_checked_ns = 1 << 62
        life.engine.maintain()
        refused = life.engine.refusal
        assert isinstance(refused, DiskFullError)
        assert not life.jobs.run_one(), "it is not tried again and again"
        life.engine.housekeeping._disk_checked_ns = 0
        life.engine.maintain()
        assert life.engine.refusal is None
        life.engine.maintain()
        assert life.jobs.run_one()
        assert not life.engine.opened.log.needs_segment


def test_too_little_free_disk_refuses_before_anything_is_torn() -> None:
    with tiny_steps():
        fs = CrashFs(capacity_bytes=5000)
        settings = msgspec.structs.replace(SETTINGS, disk_reserve_bytes=4000)
        life = Life(fs, MemoryIndex(), settings, History())
        commit(life, ("put", b"a0", b"v"))
        file = fs.create("/hog")
        file.pwritev([bytes(1500)], 0)
        life.engine.maintain()
        assert isinstance(life.engine.refusal, DiskFullError)
        fs.remove("/hog")
        life.engine.maintain()
        assert life.engine.refusal is None


class FailingIndex(MemoryIndex):
    """Takes `writes_left` batches and then fails."""

    writes_left = 1 << 30

    def write(self, changes: Any, ranges: Any) -> None:
        if self.writes_left == 0:
            raise IndexFailedError("/data/index", "IO error: no luck")
        self.writes_left -= 1
        super().write(changes, ranges)


def test_a_failed_drain_poisons_and_what_is_read_and_counted_stays_right() -> None:
    with tiny_steps():
        index = FailingIndex()
        life = Life(CrashFs(), index, SETTINGS, History())
        commit(life, *[("put", b"a%d" % n, b"v") for n in range(4)], ("put", b"b0", b"v"))
        drain(life)
        life.engine.store.get(b"a0")
        commit(life, ("delete", b"a0", b""), ("delete", b"a1", b""), ("put", b"b1", LARGE))
        index.writes_left = 1
        life.engine.housekeeping.seal()
        life.engine.maintain()
        life.jobs.run_one()
        life.engine.maintain()
        assert isinstance(life.engine.refusal, EnginePoisonedError)
        check_store(life.engine.store, life.state)
        life.close()
        again = killed(life)
        check_store(again.engine.store, life.state)


def test_a_stalled_index_is_waited_for() -> None:
    life = new_life()
    commit(life, ("put", b"a0", b"v"))
    life.index.stalled_writes = 3
    drain(life)
    assert life.engine.housekeeping.drainer.stalls == 3
    check_store(life.engine.store, life.state)


def test_overlapping_range_deletions_are_counted_once() -> None:
    with tiny_steps():
        life = new_life()
        commit(life, *[("put", b"%c%d" % (c, n), LARGE) for c in b"abc" for n in range(4)])
        drain(life)
        for key in (b"a0", b"b1", b"c3"):
            life.engine.store.get(key)
        commit(life, ("range", b"a1", b"b2"), ("range", b"a3", b"c2"), ("put", b"b1", b"again"))
        drain(life)
        check_store(life.engine.store, life.state)
        discards = life.engine.housekeeping.drainer.discards
        assert discards.total() == 9 * (40 + 2 + len(LARGE))


def test_what_was_overwritten_before_a_drain_is_discarded_once() -> None:
    life = new_life()
    for key in (b"a0", b"a0", b"b0"):
        commit(life, ("put", key, LARGE))
    commit(life, ("range", b"b", b"c"))
    drain(life)
    again = killed(life)
    drain(again)
    for finished in (life, again):
        discards = finished.engine.housekeeping.drainer.discards
        assert discards.total() == 2 * (40 + 2 + len(LARGE))


def test_closing_in_the_middle_of_a_drain_counts_right() -> None:
    """Two generations are left then, and the second drain must see what the first one did."""
    life = new_life()
    commit(life, ("put", b"a0", b"v"))
    drain(life)
    life.engine.store.get(b"a0")
    commit(life, ("delete", b"a0", b""))
    life.engine.housekeeping.seal()
    commit(life, ("put", b"a0", b"again"))
    life.close()
    again = Life(life.fs, MemoryIndex(life.index.durable), SETTINGS, life.history)
    check_store(again.engine.store, life.state)


def test_relaxed_syncs_are_hurried_by_a_drain() -> None:
    life = new_life(sync_mode="no")
    commit(life, ("put", b"a0", b"v"))
    assert life.pipeline.durable_lsn == 0
    life.engine.housekeeping.seal()
    life.engine.maintain()
    assert not life.jobs.is_running("drain"), "the index is never ahead of the durable log"
    life.pipeline.step()
    assert life.pipeline.durable_lsn == 1
    life.engine.maintain()
    assert life.jobs.is_running("drain")


def test_retained_log_is_released_after_a_flush() -> None:
    with tiny_steps():
        life = new_life(wal_retained_bytes_max=0, wal_segment_bytes=100)
        random = Random(1)
        for _ in range(20):
            commit(life, ("put", b"a0", random.randbytes(12)))
        drain(life)
        life.engine.maintain()
        while life.jobs.run_one():
            life.engine.maintain()
        housekeeping = life.engine.housekeeping
        assert housekeeping.segments_released > 5
        assert housekeeping.flushed_lsn == housekeeping.applied_lsn == 20
        check_store(killed(life).engine.store, life.state)


def test_the_index_is_flushed_before_a_replay_would_be_long() -> None:
    # Each commit changes its key and the counters.
    life = new_life(replay_changes_max=20)
    for number in range(12):
        commit(life, ("put", b"a0", b"%d" % number))
        if number in (8, 11):
            drain(life)
            run_release(life)
            assert life.engine.housekeeping.flushed_lsn == (0 if number == 8 else 12)
    commit(life, ("put", b"a0", b"one more"))
    drain(life)
    run_release(life)
    assert life.engine.housekeeping.flushed_lsn == 12, "it counts from the last flush on"
    again = killed(life)
    assert again.engine.opened.report.records_replayed == 1
    check_store(again.engine.store, life.state)


def test_a_long_replay_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "_LONG_REPLAY_CHANGES", 5)
    life = new_life()
    for number in range(6):
        commit(life, ("put", b"a0", b"%d" % number))
    again = killed(life)
    assert again.engine.opened.report.records_replayed == 6
    # No drain is due: it is for the sake of the next start.
    again.engine.maintain()
    run_release(again)
    third = killed(again)
    assert third.engine.opened.report.records_replayed == 0
    check_store(third.engine.store, life.state)


def test_a_short_replay_is_left_to_the_next_drain() -> None:
    life = new_life()
    commit(life, ("put", b"a0", b"v"))
    again = killed(life)
    again.engine.maintain()
    assert not again.jobs.is_running("drain")


def run_release(life: Life) -> None:
    """Let housekeeping look at the log, and run the jobs that it starts."""
    life.engine.housekeeping._release_checked_ns = 0
    life.engine.maintain()
    while life.jobs.run_one():
        life.engine.housekeeping._release_checked_ns = 0
        life.engine.maintain()
