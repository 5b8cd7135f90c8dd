"""The pipeline with its real thread: order, batching, bounds, sync modes, the end."""

from __future__ import annotations

import threading
from collections import deque

import pytest

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.commit.group import Group
from kiwi_engine.commit.pipeline import Pipeline, SyncMode
from kiwi_engine.commit.policy import BatchLimits
from kiwi_engine.vlog.separated import LargeValue
from tests.commit.fakes import (
    UNLIMITED,
    Recorder,
    group,
    large_group,
    running,
    wait_until,
)


def test_a_reply_comes_after_the_append_and_the_sync() -> None:
    recorder = Recorder()
    with running(recorder) as pipeline:
        pipeline.offer(group(7))
        pipeline.wait_idle()
        assert recorder.events == [("append", 1), "begin sync", "sync", ("reply", (7,))]
        assert (pipeline.written_lsn, pipeline.durable_lsn, pipeline.acknowledged_lsn) == (1, 1, 1)
    assert recorder.delivered == [(7, None)]


def test_large_values_are_durable_before_the_record_that_points_to_them() -> None:
    recorder = Recorder()
    with running(recorder) as pipeline:
        filled = large_group(1, b"a", b"b")
        pipeline.offer(filled)
        pipeline.wait_idle()
    assert recorder.events[:3] == [("values", (b"a", b"b")), "sync values", ("append", 1)]
    assert all(large.pointer for _, large in filled.large)


def test_a_value_overwritten_within_its_group_is_not_written() -> None:
    recorder = Recorder()
    with running(recorder) as pipeline:
        filled = large_group(1, b"a", b"b")
        last = LargeValue(b"the last value of a")
        filled.changes[b"a"] = last
        filled.large.append((b"a", last))
        filled.changes[b"b"] = None
        pipeline.offer(filled)
        pipeline.wait_idle()
    assert recorder.events[0] == ("values", (b"a",))
    assert [row[1] for row in filled.large] == [last]


def test_a_group_without_changes_is_answered_without_touching_the_log() -> None:
    recorder = Recorder()
    with running(recorder) as pipeline:
        reader = Group(0)
        reader.replies.append((3, b"$-1\r\n", 1))
        pipeline.offer(reader)
        pipeline.wait_idle()
        assert pipeline.acknowledged_lsn == 0
    assert recorder.events == [("reply", (3,))]


def test_a_group_grows_while_the_log_is_busy() -> None:
    recorder = Recorder()
    with running(recorder) as pipeline:
        recorder.gate.clear()
        pipeline.offer(group(1))
        wait_until(lambda: "begin sync" in recorder.events)
        assert not pipeline.is_idle()
        assert pipeline.depth == 1
        pipeline.offer(group(2, key=b"a"))
        assert pipeline.depth == 2
        grown = pipeline.take()
        assert grown.replies[0][0] == 2, "the waiting group is taken back"
        grown.changes[b"b"] = b"more"
        grown.replies.append((3, b"", 1))
        pipeline.offer(grown)
        assert recorder.delivered == []
        recorder.gate.set()
        pipeline.wait_idle()
    assert recorder.payloads[2] == {b"a": b"v", b"b": b"more"}
    assert recorder.delivered == [(1, None), (2, None), (3, None)]


def test_a_sealed_group_and_a_full_one_are_not_taken_back() -> None:
    recorder = Recorder()
    with running(recorder, BatchLimits(10, 1 << 40, 0)) as pipeline:
        recorder.gate.clear()
        pipeline.offer(group(1))
        wait_until(lambda: "begin sync" in recorder.events)
        sealed = group(2)
        pipeline.offer(sealed)
        pipeline.keep_waiting_as_it_is()
        assert pipeline.take() is not sealed
        recorder.gate.set()
        pipeline.wait_idle()
        recorder.gate.clear()
        recorder.events.clear()
        pipeline.offer(group(3))
        wait_until(lambda: "begin sync" in recorder.events)
        full = group(4, requests=10)
        pipeline.offer(full)
        assert pipeline.take() is not full
        recorder.gate.set()
    assert [run for run, _ in recorder.delivered] == [1, 2, 3, 4]
    assert pipeline.statistics.groups_full == 1


def test_the_third_group_waits_for_a_place() -> None:
    recorder = Recorder()
    with running(recorder) as pipeline:
        recorder.gate.clear()
        pipeline.offer(group(1))
        wait_until(lambda: "begin sync" in recorder.events)
        pipeline.offer(group(2))
        offered = threading.Event()

        def offer_third() -> None:
            pipeline.offer(group(3))
            offered.set()

        thread = threading.Thread(target=offer_third)
        thread.start()
        assert not offered.wait(0.05)
        recorder.gate.set()
        assert offered.wait(20)
        thread.join()
        pipeline.wait_idle()
        assert pipeline.statistics.waits == 1
        assert pipeline.statistics.waits_ns > 0
    assert [run for run, _ in recorder.delivered] == [1, 2, 3]


def test_a_small_group_may_be_held_back_and_a_full_one_is_not() -> None:
    recorder = Recorder()
    hour = BatchLimits(2, 1 << 40, 3_600_000_000_000)
    with running(recorder, hour) as pipeline:
        pipeline.offer(group(1))
        waiting = pipeline.take()
        assert waiting.replies, "it waits although the log is free"
        pipeline.offer(waiting)
        waiting = pipeline.take()
        waiting.replies.append((2, b"", 1))
        waiting.requests += 1
        pipeline.offer(waiting)
        pipeline.wait_idle()
        assert [run for run, _ in recorder.delivered] == [1, 2]
        assert pipeline.statistics.groups == 1
        pipeline.offer(group(3))
    assert recorder.delivered[-1] == (3, None), "closing does not wait for the hour to pass"


def test_the_wait_of_a_small_group_ends() -> None:
    recorder = Recorder()
    with running(recorder, UNLIMITED._replace(wait_ns=50_000_000)) as pipeline:
        pipeline.offer(group(1))
        pipeline.wait_idle()
    assert recorder.delivered == [(1, None)]


def test_without_syncs_a_reply_waits_for_the_append_alone() -> None:
    recorder = Recorder()
    with running(recorder, mode="no") as pipeline:
        pipeline.offer(group(1))
        pipeline.wait_idle()
        assert recorder.events == [("append", 1), ("reply", (1,))]
        assert (pipeline.written_lsn, pipeline.durable_lsn, pipeline.acknowledged_lsn) == (1, 0, 1)
        pipeline.want_sync()
        wait_until(lambda: pipeline.durable_lsn == 1)
        pipeline.offer(group(2))
        pipeline.wait_idle()
        assert pipeline.durable_lsn == 1
    assert pipeline.durable_lsn == 2, "closing syncs what is written"


def test_every_second_syncs_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kiwi_engine.commit.pipeline._EVERYSEC_NS", 50_000_000)
    recorder = Recorder()
    with running(recorder, mode="everysec") as pipeline:
        pipeline.offer(group(1))
        pipeline.wait_idle()
        wait_until(lambda: pipeline.durable_lsn == 1)
    assert recorder.events.index(("reply", (1,))) < recorder.events.index("sync")
    assert pipeline.statistics.syncs == 1


@pytest.mark.parametrize("mode", ["always", "everysec"])
def test_a_stricter_mode_syncs_at_once_what_the_relaxed_one_left(mode: SyncMode) -> None:
    recorder = Recorder()
    with running(recorder, mode="no") as pipeline:
        pipeline.offer(group(1))
        pipeline.wait_idle()
        pipeline.change_sync_mode("no")
        pipeline.offer(group(2))
        pipeline.wait_idle()
        assert "sync" not in recorder.events
        pipeline.change_sync_mode(mode)
        wait_until(lambda: pipeline.durable_lsn == 2)


def test_how_much_is_not_synced_and_since_when(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = monotonic_ns() + 5_000_000_000
    monkeypatch.setattr("kiwi_engine.commit.pipeline.monotonic_ns", lambda: now_ns)
    recorder = Recorder()
    with running(recorder, mode="everysec") as pipeline:
        assert (pipeline.unsynced_bytes, pipeline.unsynced_ns) == (0, 0)
        pipeline.offer(group(1))
        pipeline.wait_idle()
        one_bytes = pipeline.unsynced_bytes
        assert one_bytes == pipeline.statistics.bytes_logged > 0
        now_ns += 300_000_000
        pipeline.offer(group(2))
        pipeline.wait_idle()
        assert pipeline.unsynced_bytes == 2 * one_bytes
        assert pipeline.unsynced_ns == 300_000_000, "since the older of the two was written"
        now_ns += 700_000_000
        pipeline.want_sync()
        wait_until(lambda: not pipeline.unsynced_bytes)
        assert (pipeline.durable_lsn, pipeline.unsynced_ns) == (2, 0)
        assert pipeline.statistics.unsynced.maximum_us == 1_000_000


def test_closing_commits_everything_that_was_offered() -> None:
    recorder = Recorder()
    with running(recorder) as pipeline:
        recorder.gate.clear()
        pipeline.offer(group(1))
        wait_until(lambda: "begin sync" in recorder.events)
        pipeline.offer(group(2))
        recorder.gate.set()
        pipeline.close()
    assert recorder.delivered == [(1, None), (2, None)]
    assert pipeline.durable_lsn == 2


def test_statistics_count_what_was_committed() -> None:
    recorder = Recorder()
    with running(recorder) as pipeline:
        for run, requests in ((1, 3), (2, 5)):
            pipeline.offer(group(run, requests=requests))
            pipeline.wait_idle()
        statistics = pipeline.statistics
        assert (statistics.groups, statistics.requests, statistics.requests_max) == (2, 8, 5)
        assert (statistics.syncs, statistics.sync.count, statistics.commit.count) == (2, 2, 2)
        assert statistics.groups_failed == 0
        assert statistics.bytes_logged > 0


class WatchedPlace(deque[Group]):
    """Asks, at the moment at which the log thread has taken a group, what `is_idle` tells."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.seen: list[bool] = []

    def popleft(self) -> Group:
        group = super().popleft()
        self.seen.append(self.pipeline.is_idle())
        return group


class WatchedPipeline(Pipeline):
    """Has a `WatchedPlace`."""

    def start(self) -> None:
        self._ready = WatchedPlace(self)
        super().start()


class FasterExecutor(Pipeline):
    """The executing thread takes its group back just before the log thread takes it."""

    taken_back: Group | None = None

    def _take_waiting(self) -> Group | None:
        if self.taken_back is None:
            self.taken_back = self._ready.pop()
        return super()._take_waiting()


def test_a_group_that_was_taken_back_in_the_last_moment_is_waited_for() -> None:
    recorder = Recorder()
    with running(recorder, kind=FasterExecutor) as pipeline:
        assert isinstance(pipeline, FasterExecutor)
        pipeline.offer(group(1))
        pipeline.wait_idle()
        assert recorder.delivered == []
        assert pipeline.taken_back is not None
        pipeline.offer(pipeline.taken_back)
        pipeline.wait_idle()
        assert recorder.delivered == [(1, None)]


class FasterLogThread(Pipeline):
    """The log thread takes the group just before the executing thread takes it back."""

    def _is_open(self, group: Group) -> bool:
        self._ready.clear()
        return True


def test_a_group_that_the_log_thread_took_first_is_not_taken_back() -> None:
    recorder = Recorder()
    with running(recorder, kind=FasterLogThread) as pipeline:
        recorder.gate.clear()
        pipeline.offer(group(1))
        wait_until(lambda: "begin sync" in recorder.events)
        waiting = group(2)
        pipeline.offer(waiting)
        assert pipeline.take() is not waiting
        recorder.gate.set()


def test_a_group_on_its_way_to_the_log_thread_is_never_called_idle() -> None:
    """`is_idle` looks without the lock; a reader must not be answered before its predecessors."""
    recorder = Recorder()
    with running(recorder, kind=WatchedPipeline) as pipeline:
        pipeline.offer(group(1))
        pipeline.wait_idle()
    assert isinstance(pipeline._ready, WatchedPlace)
    assert pipeline._ready.seen == [False]


class LateOffer(Pipeline):
    """A group comes, and the end, after the thread decided to sync and before it does."""

    late: Group | None = None

    def _next_group(self) -> Group | None:
        found = super()._next_group()
        if found is None and self.late is not None:
            self._ready.append(self.late)
            self.late = None
            self._closing = True
        return found


def test_a_group_that_comes_just_before_the_end_is_committed() -> None:
    recorder = Recorder()
    with running(recorder, mode="no", kind=LateOffer) as pipeline:
        assert isinstance(pipeline, LateOffer)
        pipeline.offer(group(1))
        pipeline.wait_idle()
        pipeline.late = group(2)
        pipeline.want_sync()
        pipeline._thread.join(20)
        assert not pipeline._thread.is_alive()
    assert recorder.delivered == [(1, None), (2, None)]
    assert pipeline.durable_lsn == 2
