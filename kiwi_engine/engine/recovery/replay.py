"""Bringing back the records of the log when a directory is opened (shell).

They become a generation of the write buffer, as if they had just been committed, so that the engine
serves at once and drains them in the background. Only what exceeds the memory for that goes into
the index before.
"""

from __future__ import annotations

from kiwi_engine.commit.changes import decode_changes
from kiwi_engine.commit.group import Group
from kiwi_engine.engine.clean_cache import CleanCache
from kiwi_engine.engine.drain import Drainer
from kiwi_engine.engine.overlay import Generation
from kiwi_engine.engine.state import IndexState
from kiwi_engine.engine.store_protocol import Tally
from kiwi_engine.index.protocol import Index
from kiwi_engine.vlog.format import Pointer, decode_pointer
from kiwi_engine.vlog.separated import LargeValue, Separated
from kiwi_engine.wal.format import Record


class Replay:
    """Applies records above the applied LSN, ascending; `pending` holds what the index lacks.

    Memory is bounded by `pending_bytes_max` and one record. That none is missing and all make sense
    was judged before.
    """

    def __init__(
        self, index: Index, tally: Tally, state: IndexState, pending_bytes_max: int
    ) -> None:
        self._drainer = Drainer(index, CleanCache(0), tally, state)
        self.pending = Generation(0)
        self._pending_bytes_max = pending_bytes_max
        # Of the values in the value log, the last that a record brought.
        self._newest = Pointer(0, 0, 0, 0)
        self.records = 0

    def apply(self, record: Record) -> None:
        """Take the next record."""
        self.records += 1
        group = _group_of(record)
        self.pending.absorb(group)
        self._newest = max([self._newest, *map(_pointer_of, group.large)])
        if self.pending.bytes >= self._pending_bytes_max:
            self._drainer.replayed_until = self._newest
            self._drainer.drain(self.pending, record.lsn)
            self.pending = Generation(0)

    @property
    def state(self) -> IndexState:
        """The state of the index now."""
        return self._drainer.state


def _pointer_of(item: tuple[bytes, LargeValue | Separated]) -> Pointer:
    return decode_pointer(item[1].pointer)


def _group_of(record: Record) -> Group:
    """The group that the record was made of, its large values as the pointers that it carries."""
    changes = decode_changes(record.payload)
    group = Group(0)
    group.lsn = record.lsn
    group.ranges = changes.ranges
    group.changes = changes.entries
    group.large = [
        (key, entry) for key, entry in changes.entries.items() if isinstance(entry, Separated)
    ]
    group.bytes = len(record.payload)
    return group
