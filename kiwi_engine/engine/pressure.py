"""Holding writers back while the engine cannot keep up (shell: executing thread).

Gathers the facts for `commit.throttle`, keeps its state and its history, and shares out what `slow`
allows. It never waits itself: whoever wants to write asks `write_delay_s`, and comes back later.
The index is asked for its facts every few hundredths of a second, because that costs more than a
group; the write buffer, which can fill up in between, is looked at each time.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

import msgspec

from kiwi_engine.clock import monotonic_ns, wall_ms
from kiwi_engine.commit.group import Group
from kiwi_engine.commit.throttle import (
    FREE,
    Limit,
    Measure,
    ThrottleFacts,
    ThrottleLimits,
    ThrottleState,
    assess,
    measures,
)
from kiwi_engine.commit.token_bucket import TokenBucket
from kiwi_engine.engine.housekeeping import Housekeeping
from kiwi_engine.engine.recovery.opening import Opened
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.engine.store import Store

ASSESS_INTERVAL_NS: Final = 50_000_000
HISTORY_MAX: Final = 64
# Ask again after this long at the latest: the state may have changed.
_DELAY_MAX_S: Final = 0.05
# Limits of the log that are not set: so many times what it may retain before the index is flushed.
_WAL_SLOW_FACTOR: Final = 4
_WAL_STOP_FACTOR: Final = 8
# Log files that may be in preparation, in use or waiting for reuse.
_WAL_SEGMENTS: Final = 4
# Parts of the write buffer, in sixteenths. A drain takes in what fills up during the one before: so
# at a steady rate both together hold twice what is undrained, which must be less than all.
_UNDRAINED_SLOW: Final = 5
_UNDRAINED_SLOWEST: Final = 7
_WRITE_BUFFER_SLOW: Final = 15
_SIXTEENTHS: Final = 16
# What a drain helps against when it stops writers.
_DRAINED_MEASURES: Final = frozenset({"wal_bytes", "write_buffer_bytes"})


class Transition(msgspec.Struct, frozen=True):
    """`at_ms` is wall clock; `state` what began then."""

    at_ms: int
    state: ThrottleState


class Pressure:
    """Owned by the engine. `state` is that of the last assessment."""

    def __init__(
        self, opened: Opened, settings: EngineSettings, store: Store, housekeeping: Housekeeping
    ) -> None:
        self._opened = opened
        self._store = store
        self._housekeeping = housekeeping
        self._bucket = TokenBucket()
        # The last group that was charged, and how many of its bytes: it may be taken back and grow.
        self._group: Group | None = None
        self._group_bytes = 0
        self._assessed_ns = monotonic_ns()
        self._assessed_bytes = 0
        # The write buffer stops writers.
        self._is_full = False
        self._since_ns = monotonic_ns()
        self._time_ns: Counter[str] = Counter()
        self.state: ThrottleState = FREE
        self.history: deque[Transition] = deque(maxlen=HISTORY_MAX)
        self.transitions = 0
        self.bytes_written = 0
        self.configure(settings)
        # Before the first write: what an earlier life left behind counts, too.
        self._assess(self._since_ns)

    def configure(self, settings: EngineSettings) -> None:
        """Take over the run-time settings."""
        self.limits = throttle_limits(settings)
        self._full_bytes = self.limits.write_buffer_bytes.stop

    def is_free(self) -> bool:
        """Whether nothing holds writers back; as of the last `maintain`, so it costs little."""
        return self.state is FREE and self._store.pending_bytes() < self._full_bytes

    def write_delay_s(self) -> float:
        """0.0 if a write may run now, else seconds after which to ask again. Never waits."""
        if self.is_free():
            return 0.0
        now_ns = monotonic_ns()
        state = self.state
        if now_ns - self._assessed_ns > ASSESS_INTERVAL_NS or self._write_buffer_has_turned():
            state = self._assess(now_ns)
        if state.name == "none":
            return 0.0
        if state.name == "stop":
            return _DELAY_MAX_S
        self._bucket.refill(state.rate, now_ns)
        return min(_DELAY_MAX_S, self._bucket.wait_s(state.rate, self._uncharged_bytes()))

    def charge(self, group: Group) -> None:
        """The changes of `group` were accepted."""
        size = group.bytes
        if group is self._group:
            size -= self._group_bytes
        self._group, self._group_bytes = group, group.bytes
        self.bytes_written += size
        if self.state is not FREE:
            self._bucket.spend(size)

    def maintain(self, now_ns: int) -> None:
        """To be called often; assesses what is going on when it is time to."""
        if now_ns - self._assessed_ns > ASSESS_INTERVAL_NS:
            self._assess(now_ns)

    def measured(self) -> list[Measure]:
        """All measures as they are now, beside their limits."""
        return list(measures(self._facts(), self.limits))

    def time_ns(self, name: str) -> int:
        """Nanoseconds spent in a state so far."""
        current_ns = monotonic_ns() - self._since_ns if self.state.name == name else 0
        return self._time_ns[name] + current_ns

    def _write_buffer_has_turned(self) -> bool:
        """It became full, or emptied by so much that it no longer stops writers."""
        limit = self.limits.write_buffer_bytes
        pending_bytes = self._store.pending_bytes()
        if self._is_full:
            return pending_bytes < limit.slow
        return pending_bytes >= limit.stop

    def _uncharged_bytes(self) -> int:
        group = self._store.group
        return group.bytes - (self._group_bytes if group is self._group else 0)

    def _undrained_bytes(self) -> int:
        store = self._store
        if store.draining is None:
            return store.generation.bytes
        left = 1 - self._housekeeping.drainer.progress
        return store.generation.bytes + int(store.draining.bytes * left)

    def _facts(self, written_rate: float = 0.0) -> ThrottleFacts:
        index = self._opened.index.facts()
        return ThrottleFacts(
            level_zero_files=index.level_zero_files,
            pending_compaction_bytes=index.pending_compaction_bytes,
            unflushed_memtables=index.immutable_memtables,
            write_stopped=index.write_stopped,
            wal_bytes=self._opened.log.facts().retained_bytes,
            undrained_bytes=self._undrained_bytes(),
            write_buffer_bytes=self._store.pending_bytes(),
            disk_free_bytes=self._housekeeping.disk_free_bytes,
            written_rate=written_rate,
        )

    def _assess(self, now_ns: int) -> ThrottleState:
        before = self.state
        elapsed_s = max(1, now_ns - self._assessed_ns) / 1e9
        facts = self._facts((self.bytes_written - self._assessed_bytes) / elapsed_s)
        self._assessed_ns, self._assessed_bytes = now_ns, self.bytes_written
        self.state = state = assess(facts, self.limits, before)
        levels = {reason.measure: reason.level for reason in state.reasons}
        stopped_by = {measure for measure, level in levels.items() if level == "stop"}
        self._is_full = "write_buffer_bytes" in stopped_by
        self._housekeeping.drain_is_urgent = (
            "undrained_bytes" in levels or not stopped_by.isdisjoint(_DRAINED_MEASURES)
        )
        if state.name != before.name:
            self._time_ns[before.name] += now_ns - self._since_ns
            self._since_ns = now_ns
            self.transitions += 1
            self.history.append(Transition(wall_ms(), state))
            self._bucket.reset(now_ns)
        return state


def throttle_limits(settings: EngineSettings) -> ThrottleLimits:
    """The limits that are set, and those that follow from other settings (pure)."""
    throttle = settings.throttle
    retained = settings.wal_retained_bytes_max + _WAL_SEGMENTS * settings.wal_segment_bytes
    sixteenth = settings.pending_bytes_max / _SIXTEENTHS
    return ThrottleLimits(
        level_zero_files=throttle.level_zero_files,
        pending_compaction_bytes=throttle.pending_compaction_bytes,
        unflushed_memtables=throttle.unflushed_memtables,
        wal_bytes=Limit(
            throttle.wal_bytes.slow or _WAL_SLOW_FACTOR * retained,
            throttle.wal_bytes.stop or _WAL_STOP_FACTOR * retained,
        ),
        undrained_bytes=Limit(
            int(_UNDRAINED_SLOW * sixteenth), int(_UNDRAINED_SLOWEST * sixteenth)
        ),
        write_buffer_bytes=Limit(int(_WRITE_BUFFER_SLOW * sixteenth), settings.pending_bytes_max),
        disk_reserve_bytes=settings.disk_reserve_bytes,
        rate_min=throttle.rate_min,
        rate_max=throttle.rate_max,
    )
