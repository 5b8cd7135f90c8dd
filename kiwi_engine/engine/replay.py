"""Bringing the records of the log into the index when a directory is opened (shell)."""

from __future__ import annotations

from kiwi_engine.commit.changes import decode_changes
from kiwi_engine.commit.group import Group
from kiwi_engine.engine.clean_cache import CleanCache
from kiwi_engine.engine.drain import Drainer
from kiwi_engine.engine.overlay import Generation
from kiwi_engine.engine.state import IndexState
from kiwi_engine.engine.store_protocol import Tally
from kiwi_engine.errors import CorruptionError
from kiwi_engine.index.protocol import Index
from kiwi_engine.vlog.separated import Separated
from kiwi_engine.wal.format import Record


class Replay:
    """Applies records above the applied LSN, ascending; `finish` writes what is still pending.

    Memory is bounded by `pending_bytes_max` and one record. LSNs are 0 before the first record.
    """

    def __init__(
        self, index: Index, tally: Tally, state: IndexState, pending_bytes_max: int
    ) -> None:
        self._drainer = Drainer(index, CleanCache(0), tally, state)
        self._pending = Generation(0)
        self._pending_bytes_max = pending_bytes_max
        self._applied_lsn = state.applied_lsn
        self.first_lsn = 0
        self.last_lsn = 0
        self.records = 0

    def apply(self, record: Record) -> None:
        """Take one record; those that the index holds already only tell where the log begins."""
        self.first_lsn = self.first_lsn or record.lsn
        self.last_lsn = record.lsn
        # Behind missing records nothing may be applied: the next start would not miss them.
        is_gap = self.first_lsn > self._applied_lsn + 1
        if is_gap or record.lsn <= self._applied_lsn:
            return
        self.records += 1
        self._pending.absorb(_group_of(record))
        if self._pending.bytes >= self._pending_bytes_max:
            self.finish()

    def finish(self) -> None:
        """Write what is pending into the index."""
        if self._pending.groups:
            self._drainer.drain(self._pending, self.last_lsn)
            self._pending = Generation(0)

    @property
    def state(self) -> IndexState:
        """The state of the index now."""
        return self._drainer.state


def _group_of(record: Record) -> Group:
    """The group that the record was made of, its large values as the pointers that it carries."""
    try:
        changes = decode_changes(record.payload)
    except ValueError as error:
        raise CorruptionError(record.path, record.offset, str(error)) from error
    group = Group(0)
    group.lsn = record.lsn
    group.ranges = changes.ranges
    group.changes = changes.entries
    group.large = [
        (key, entry) for key, entry in changes.entries.items() if isinstance(entry, Separated)
    ]
    group.bytes = len(record.payload)
    return group
