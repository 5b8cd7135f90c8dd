"""Moving durable entries from the write buffer into the index (shell: one background thread).

A sealed generation is written in key order, in slices: a slice is one atomic batch that also
carries the counters as they are after it, so a crash between two slices leaves the index exact and
a replay of the log changes nothing. The applied LSN comes with the last slice. What a drained entry
replaces is looked up here, off the commit path: that is what makes `DBSIZE` and the discard counts
of the value log exact while a SET stays blind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, cast

import msgspec

from kiwi_engine.clock import sleep
from kiwi_engine.commit.group import Entry
from kiwi_engine.engine.clean_cache import CachedEntry, CleanCache, entries_bytes
from kiwi_engine.engine.overlay import Generation, joined
from kiwi_engine.engine.state import STATE_KEY, IndexState, decode_state, encode_state
from kiwi_engine.engine.store import entries_below
from kiwi_engine.engine.store_protocol import Tally
from kiwi_engine.engine.stored import decode_stored, encode_stored_or_none, head_of
from kiwi_engine.errors import IndexStalledError
from kiwi_engine.failpoints import hit
from kiwi_engine.index.protocol import Change, Index
from kiwi_engine.vlog.discard import DiscardTable
from kiwi_engine.vlog.format import Pointer, decode_pointer
from kiwi_engine.vlog.separated import LargeValue, Separated

# About a millisecond of the interpreter lock a slice.
SLICE_KEYS: Final = 1000
_CACHEABLE: Final = {bytes, Separated}
_STALL_PAUSE_S: Final = 0.005


class Drained(msgspec.Struct, frozen=True):
    """What the executing thread merges once a drain has ended."""

    present: dict[bytes, CachedEntry]
    present_bytes: int
    absent: list[bytes]
    counters: Counter[bytes]
    applied_lsn: int


class Drainer:
    """Drains one generation after another; owns the counters and discards while it does.

    `state` is what the index holds of them; `stalls` counts how often RocksDB asked to wait.
    """

    def __init__(self, index: Index, clean: CleanCache, tally: Tally, state: IndexState) -> None:
        self._index = index
        self._clean = clean
        self._tally = tally
        self._counters = Counter(state.counters)
        # Those of the last slice that was written; others only while a drain runs or has failed.
        self.counters_written = self._counters.copy()
        self._applied_lsn = state.applied_lsn
        self._reached_lsn = state.reached_lsn
        self.discards = DiscardTable.decode(state.discards)
        # Value-log segments that were removed; the executing thread adds, a drain takes.
        self.removed_segments: list[int] = []
        # Pointers of the values that came with the generation being drained.
        self._own: set[bytes] = set()
        # Recovery only: the last value of the records that were replayed so far. What the index
        # holds behind it is of later ones, from a drain that a crash cut off.
        self.replayed_until: Pointer | None = None
        self.stalls = 0
        # How much of the generation that waits or is being drained is in the index, 0.0 to 1.0.
        self.progress = 0.0

    @property
    def state(self) -> IndexState:
        """What the last slice wrote beside its entries."""
        return IndexState(
            applied_lsn=self._applied_lsn,
            reached_lsn=self._reached_lsn,
            counters=dict(self._counters),
            discards=self.discards.encode(),
        )

    def drain(self, generation: Generation, applied_lsn: int) -> Drained:
        """Write all of `generation`, whose last record is `applied_lsn`, into the index."""
        hit("drain")
        # A replay after a crash may take smaller steps than the drain that was cut off.
        self._reached_lsn = max(self._reached_lsn, applied_lsn)
        removed = self.removed_segments.copy()
        for segment in removed:
            self.discards.remove(segment)
        keys = sorted(generation.entries)
        slices = [keys[at : at + SLICE_KEYS] for at in range(0, len(keys), SLICE_KEYS)] or [[]]
        ranges = generation.ranges
        self._own = {large.pointer for group in generation.groups for _, large in group.large}
        self._forget_ranges(generation)
        for number, slice_keys in enumerate(slices, start=1):
            if number == len(slices):
                # With the last slice, so that a replay after a crash does not count them twice.
                self._discard_overwritten(generation)
                self._applied_lsn = applied_lsn
            self._write_slice(slice_keys, generation, ranges)
            self.progress = number / len(slices)
            ranges = []
            sleep(0)  # Let the executing thread have the interpreter lock between slices.
        del self.removed_segments[: len(removed)]
        return self._result(generation.entries)

    def go_back(self) -> None:
        """After a drain failed and before it is made again: count from what is in the index.

        Some of its slices may be there, as after a crash; the clean cache must be emptied.
        """
        state = decode_state(self._index.get(STATE_KEY))
        self._counters = Counter(state.counters)
        self.counters_written = self._counters.copy()
        self._applied_lsn = state.applied_lsn
        self.discards.reset(state.discards)

    def _write_slice(
        self, keys: list[bytes], generation: Generation, ranges: Sequence[tuple[bytes, bytes]]
    ) -> None:
        entries = generation.entries
        below = entries_below(keys, self._clean, self._index)
        if generation.ranges:
            below.update((key, None) for key in keys if generation.covers(key))
        for key in keys:
            self._account(key, entries[key], below[key])
        changes: list[Change] = [(STATE_KEY, encode_state(self.state))]
        changes += [(key, encode_stored_or_none(entries[key])) for key in keys]
        self._retry_while_stalled(lambda: self._index.write(changes, ranges))
        self.counters_written = self._counters.copy()

    def _account(self, key: bytes, entry: Entry, before: CachedEntry | None) -> None:
        """Most drained entries replace one that counts alike: that must cost next to nothing."""
        tally = self._tally
        old = () if before is None else tally(key, head_of(before))
        new = () if entry is None else tally(key, head_of(entry))
        if old != new:
            for name in old:
                self._counters[name] -= 1
            for name in new:
                self._counters[name] += 1
        if type(before) is Separated:
            self._discard_below(before)

    def _discard_overwritten(self, generation: Generation) -> None:
        """Large values that were overwritten before they ever reached the index."""
        for group in generation.groups:
            for key, large in group.large:
                if generation.entries.get(key) is not large:
                    self._discard(large.pointer)

    def _forget_ranges(self, generation: Generation) -> None:
        """Account for what range deletions remove; the slices do not look at that again."""
        for begin, end in joined(generation.ranges):
            for key, stored in self._index.iterate(begin, end):
                before = decode_stored(stored)
                for name in self._tally(key, head_of(before)):
                    self._counters[name] -= 1
                if type(before) is Separated:
                    self._discard_below(before)

    def _discard_below(self, before: Separated) -> None:
        """A replay may find its own values in the index, from a drain that a crash cut off.

        They stay, or `_discard_overwritten` counts them. Those of later records will stay, too.
        """
        if before.pointer in self._own:
            return
        until = self.replayed_until
        # The value log is written in the order of the records.
        if until is None or decode_pointer(before.pointer) <= until:
            self._discard(before.pointer)

    def _discard(self, encoded_pointer: bytes) -> None:
        pointer = decode_pointer(encoded_pointer)
        self.discards.add(pointer.segment, pointer.entry_bytes)

    def _retry_while_stalled(self, write: Callable[[], None]) -> None:
        """The index refuses a write that would block: it would hold the interpreter lock."""
        while True:
            try:
                return write()
            except IndexStalledError:
                self.stalls += 1
                sleep(_STALL_PAUSE_S)

    def _result(self, entries: dict[bytes, Entry]) -> Drained:
        present, absent = _split(entries)
        counters = self.counters_written
        return Drained(present, entries_bytes(present), absent, counters, self._applied_lsn)


def _split(entries: dict[bytes, Entry]) -> tuple[dict[bytes, CachedEntry], list[bytes]]:
    """(what the cache may hold, deleted keys); `entries` itself where that is all of it."""
    if set(map(type, entries.values())) <= _CACHEABLE:
        return cast(dict[bytes, CachedEntry], entries), []
    present: dict[bytes, CachedEntry] = {}
    absent: list[bytes] = []
    for key, entry in entries.items():
        if type(entry) is bytes:
            present[key] = entry
        elif entry is None:
            absent.append(key)
        else:
            assert isinstance(entry, LargeValue | Separated)
            present[key] = Separated(entry.pointer, entry.head)
    return present, absent
