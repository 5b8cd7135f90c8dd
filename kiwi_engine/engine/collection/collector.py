"""Garbage collection of the value log (shell: executing thread; reads in background jobs).

    choose     a segment that is dead enough                       `vlog.collection`
    read       its values that the index still points to           a job, some megabytes at a time
    rewrite    put each again, where that pointer is the newest    executing thread, a group a slice
    settle     wait until what was put is drained
    prove      the index points to none of them; flush it          a job; what is left comes again
    remove     when no view that is older than the proof is        a job
               open, and neither archive nor backup needs it

A rewritten value is an ordinary write: logged, acknowledged to nobody, drained. A newer write, a
deletion or a range deletion always wins, since the comparison and the put are one step of the only
thread that writes. A crash at any point leaves the segment or does not; when it is gone, no pointer
into it is in the index on the device, nor in a log record that a recovery would apply.

A damaged segment whose damage is pointed to is left alone, and said so. Nothing is ever removed
because of a count: counts only say where to look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.commit.pipeline import Pipeline
from kiwi_engine.commit.token_bucket import TokenBucket
from kiwi_engine.engine.collection.segment_pass import Batch, Row, SegmentPass
from kiwi_engine.engine.collection.statistics import CollectorStatistics
from kiwi_engine.engine.collection.survey import Survey
from kiwi_engine.engine.housekeeping import Housekeeping
from kiwi_engine.engine.overlay import Generation
from kiwi_engine.engine.pins import Pins
from kiwi_engine.engine.recovery.opening import Opened
from kiwi_engine.engine.settings import CollectionSettings
from kiwi_engine.engine.store import Store
from kiwi_engine.errors import (
    CorruptionError,
    EngineClosedError,
    EnginePoisonedError,
    KiwiError,
    LayoutError,
)
from kiwi_engine.failpoints import hit
from kiwi_engine.vlog.collection import Choice
from kiwi_engine.vlog.format import VLOG

logger = logging.getLogger(__name__)

_JOB: Final = "collect"
# Values that one job reads ahead.
_BATCH_BYTES: Final = 4 << 20
# Values that one group takes, more while nobody else writes: they hold up the commits behind them.
_SLICE_BYTES: Final = 128 << 10
_IDLE_SLICE_BYTES: Final = 256 << 10
# Reading is this many times cheaper than writing, where the rate is concerned.
_READ_DISCOUNT: Final = 8
_SURVEY_INTERVAL_NS: Final = 100_000_000
# A survey of so many segments takes about a millisecond; with more of them it is made less often.
_SURVEY_SEGMENTS: Final = 1000
_RETRY_NS: Final = 10_000_000_000
# Segments that were rewritten and are still on the disk: pinned, say. More would only use up space.
_HELD_MAX: Final = 4


class _Settling(NamedTuple):
    """Everything that `segment_pass` depends on is drained once `generation` is."""

    segment_pass: SegmentPass
    generation: Generation


class _Removal(NamedTuple):
    """Segment `number` is empty since `moment`."""

    number: int
    moment: int


class Collector:
    """Owned by the engine. `rewrite` puts rows as a group of its own.

    `write_delay_s` tells how long writers have to wait at present: rewriting waits as they do.
    """

    def __init__(
        self,
        opened: Opened,
        settings: CollectionSettings,
        store: Store,
        pipeline: Pipeline,
        housekeeping: Housekeeping,
        pins: Pins,
        rewrite: Callable[[Sequence[Row]], int],
        write_delay_s: Callable[[], float],
    ) -> None:
        self.survey = Survey(opened, settings, housekeeping)
        self._opened = opened
        self._values = opened.values
        self._store = store
        self._pipeline = pipeline
        self._housekeeping = housekeeping
        self._pins = pins
        self._rewrite = rewrite
        self._write_delay_s = write_delay_s
        self.statistics = CollectorStatistics()
        # Segments that are not collected, and why.
        self.unsound: dict[int, str] = {}
        # What was open when `collect` was called.
        self._wanted_after = store.generation
        self._bucket = TokenBucket()
        self._surveyed_ns = self._retry_ns = 0
        self._survey_interval_ns = _SURVEY_INTERVAL_NS
        self._current: SegmentPass | None = None
        self._batch: Batch | None = None
        self._again: list[SegmentPass] = []
        self._settling: list[_Settling] = []
        self._removals: list[_Removal] = []
        # What to do with the result of the job that runs, and which segment it is about.
        self._then: Callable[[Any], None] = lambda result: None
        self._job_number = 0
        housekeeping.on_ended[_JOB] = self._ended

    # ---- the engine's side

    def maintain(self) -> None:
        """To be called often: does a small step of what is due."""
        refusal = self._pipeline.failure or self._housekeeping.problem
        if isinstance(refusal, EnginePoisonedError):
            return
        now_ns = monotonic_ns()
        is_idle = not (self._current or self._settling or self._removals or self._again)
        # Most calls end here: they come with every frame.
        if is_idle and now_ns - self._surveyed_ns <= self._survey_interval_ns:
            return
        if self._batch is not None:
            self._rewrite_slice(self._batch, now_ns)
        if not self._housekeeping.jobs.is_running(_JOB) and now_ns >= self._retry_ns:
            self._start_job(now_ns)

    def collect(self, share: float) -> None:
        """Collect every segment of which `share` (0 to 1) or more is dead; see `is_collecting`.

        What was overwritten before this call counts.
        """
        self.survey.wanted_share = share
        self._wanted_after = self._store.generation
        self._housekeeping.drain_soon()
        self.survey.sampler.is_urgent = True
        self._surveyed_ns = self._retry_ns = 0

    @property
    def is_collecting(self) -> bool:
        """Whether what `collect` asked for is still going on."""
        return self.survey.wanted_share is not None

    def is_leaving(self, number: int) -> bool:
        """Any thread: whether the file of this segment is there no more, or may go at any moment.

        Nothing that is pinned now points to it.
        """
        leaving = any(removal.number == number for removal in list(self._removals))
        return leaving or number not in self._values.segments()

    def close(self) -> None:
        """Have a job that runs end soon."""
        for segment_pass in self._passes():
            segment_pass.abandon()

    def held_segments(self) -> list[int]:
        """Segments that are empty and wait for their removal, because somebody may need them."""
        return [removal.number for removal in self._removals]

    def current_segment(self) -> int:
        """The segment being rewritten; 0 if there is none."""
        return self._current.number if self._current is not None else 0

    def state(self) -> str:
        """What is going on: idle, rewriting, settling (until drained and proven) or held."""
        if self._current is not None or self._again:
            return "rewriting"
        if self._settling:
            return "settling"
        return "held" if self._removals else "idle"

    # ---- what to do next

    def _start_job(self, now_ns: int) -> None:
        removal = next((each for each in self._removals if self._is_removable(each)), None)
        if removal is not None:
            return self._run(removal.number, lambda: self._remove(removal), self._removed)
        settled = next((each for each in self._settling if self._is_drained(each.generation)), None)
        if settled is not None:
            return self._prove(settled)
        if self._current is None and self._again:
            self._current = self._again.pop()
        self._survey_if_due(now_ns)
        if self._current is not None and self._batch is None:
            return self._run(self._current.number, self._read_batch, self._take_batch)
        return None

    def _survey_if_due(self, now_ns: int) -> None:
        if now_ns - self._surveyed_ns <= self._survey_interval_ns:
            return
        self._surveyed_ns = now_ns
        rarer = 1 + len(self._values.segments()) // _SURVEY_SEGMENTS
        self._survey_interval_ns = _SURVEY_INTERVAL_NS * rarer
        passes = self._passes()
        excluded = {*self.unsound, *self.held_segments(), *(each.number for each in passes)}
        self.survey.refresh(excluded)
        self.survey.drain_if_much_was_written(self._store)
        if self._current is None:
            self._choose(now_ns, excluded, is_busy=bool(passes))

    def _choose(self, now_ns: int, excluded: set[int], *, is_busy: bool) -> None:
        choice = None
        if len(self._removals) + len(self._settling) < _HELD_MAX:
            choice = self.survey.choose(is_busy=is_busy)
        sampler = self.survey.sampler
        if choice is not None:
            self._begin(choice)
        elif number := sampler.next_segment(now_ns):
            if number not in excluded and self.survey.is_applied(number):
                self._run(number, lambda: sampler.sample(number), sampler.take)
        elif not is_busy and self._is_drained(self._wanted_after):
            self.survey.wanted_share = None

    def _passes(self) -> list[SegmentPass]:
        current = [] if self._current is None else [self._current]
        return [*current, *self._again, *(each.segment_pass for each in self._settling)]

    # ---- steps

    def _begin(self, choice: Choice) -> None:
        segment = choice.segment
        logger.info(
            "collecting value-log segment %d: %d of %d bytes are dead (%s)",
            segment.number,
            segment.dead_bytes,
            segment.entry_bytes,
            choice.reason,
        )
        opened = self._opened
        self._current = SegmentPass(
            opened.fs, opened.paths.values, segment.number, opened.value_reader, opened.index
        )

    def _read_batch(self) -> Batch:
        assert self._current is not None
        return self._current.next_batch(_BATCH_BYTES)

    def _take_batch(self, batch: Batch) -> None:
        self._bucket.spend(batch.read_bytes // _READ_DISCOUNT)
        self._batch = batch
        if not batch.rows:
            self._finish_batch(batch)

    def _rewrite_slice(self, batch: Batch, now_ns: int) -> None:
        if self._is_held_back(now_ns):
            return None
        slice_bytes = count = 0
        bytes_max = _IDLE_SLICE_BYTES if self._pipeline.is_idle() else _SLICE_BYTES
        while count < len(batch.rows) and slice_bytes < bytes_max:
            slice_bytes += len(batch.rows[count][2])
            count += 1
        rows = batch.rows[:count]
        try:
            moved = self._rewrite(rows)
        except (KiwiError, OSError) as error:
            # The index could not be asked; nothing was put.
            return self._give_up(self.current_segment(), error)
        hit("gc-rewrite")
        self._bucket.spend(slice_bytes)
        self.statistics.count_rewritten(moved, len(rows) - moved, slice_bytes)
        del batch.rows[:count]
        if not batch.rows:
            self._finish_batch(batch)
        return None

    def _is_held_back(self, now_ns: int) -> bool:
        """By trouble, by the throttle, or by the rate. Not by a disk that is too full for others:
        what is written now was chosen to fit, and frees more than it takes.
        """
        if self._pipeline.failure is not None or self._write_delay_s() > 0:
            return True
        rate = self.survey.rate()
        if rate == float("inf"):
            return False
        self._bucket.refill(rate, now_ns)
        return self._bucket.wait_s(rate, 0) > 0

    def _finish_batch(self, batch: Batch) -> None:
        self._batch = None
        if batch.is_last and self._current is not None:
            # Also what made the other comparisons fail is in this generation, or drained before it.
            self._settling.append(_Settling(self._current, self._store.generation))
            self._current = None
            self._surveyed_ns = 0
            self._housekeeping.drain_soon()

    def _is_drained(self, generation: Generation) -> bool:
        """Whether all that was in the store when `generation` was the open one is drained."""
        store = self._store
        if generation is store.generation:
            return not generation.groups and store.draining is None
        return generation is not store.draining

    def _prove(self, settled: _Settling) -> None:
        segment_pass = settled.segment_pass

        def then(is_empty: bool) -> None:
            self._settling.remove(settled)
            if is_empty:
                self._removals.append(_Removal(segment_pass.number, self._pins.now()))
            else:
                self._again.append(segment_pass)

        self._run(segment_pass.number, segment_pass.is_empty, then)

    def _is_removable(self, removal: _Removal) -> bool:
        """Never the newest, so that its number is not given out again."""
        number = removal.number
        return (
            number < self._values.durable_segment
            and self._pins.is_past(removal.moment)
            and self.survey.last_lsn(number) <= self._housekeeping.retention.floor()
        )

    def _remove(self, removal: _Removal) -> tuple[_Removal, int]:
        """Background: how many bytes of disk it gave back."""
        opened = self._opened
        path = VLOG.path(opened.paths.values, removal.number)
        size = opened.values.segments()[removal.number]
        hit("gc-remove")
        # It may be gone: then an earlier attempt failed after that.
        if opened.fs.exists(path):
            opened.fs.remove(path)
        opened.value_reader.forget(removal.number)
        opened.fs.sync_directory(opened.paths.values)
        return removal, size

    def _removed(self, result: tuple[_Removal, int]) -> None:
        removal, size = result
        # In this order: see `is_leaving`.
        self._values.forget(removal.number)
        self._removals.remove(removal)
        self.survey.sampler.forget(removal.number)
        self._housekeeping.drainer.removed_segments.append(removal.number)
        self.statistics.count_collected(size)

    # ---- jobs

    def _run(self, number: int, job: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self._job_number, self._then = number, then
        self._housekeeping.jobs.start(_JOB, job)

    def _ended(self, result: object, error: BaseException | None) -> None:
        if error is None:
            self._then(result)
        else:
            self._give_up(self._job_number, error)

    def _give_up(self, number: int, error: BaseException) -> None:
        """Leave the segment: for ever if it is damaged, else for some seconds."""
        if isinstance(error, EngineClosedError):
            return
        self._drop_passes(number)
        self.survey.sampler.forget(number)
        self.statistics.last_error = f"segment {number}: {error}"
        if isinstance(error, CorruptionError | LayoutError):
            logger.error("value-log segment %d is not collected: %s", number, error)
            self.unsound[number] = str(error)
        else:
            logger.warning("collecting value-log segment %d failed: %s", number, error)
            self._retry_ns = monotonic_ns() + _RETRY_NS

    def _drop_passes(self, number: int) -> None:
        if self._current is not None and self._current.number == number:
            self._current = self._batch = None
        self._again = [each for each in self._again if each.number != number]
        self._settling = [each for each in self._settling if each.segment_pass.number != number]
