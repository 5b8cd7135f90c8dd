"""Replaying archived records into a restored directory (shell; executing thread of its engine).

They go through the commit pipeline like any other writes, but each in a group of its own, with the
time that it had: so it gets the LSN that it had, too, which is checked.
"""

from __future__ import annotations

from kiwi_engine.clock import sleep
from kiwi_engine.commit.changes import Changes
from kiwi_engine.engine.archive.reader import Archive
from kiwi_engine.engine.backup.manifest import Manifest
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.inspection.progress import Progress
from kiwi_engine.engine.restore.until import Until
from kiwi_engine.errors import BackupError
from kiwi_engine.failpoints import hit


class ArchiveReplay:
    """Starts from the state of the backup. `last_lsn`, `committed_ms`: of the last record."""

    def __init__(self, engine: Engine, manifest: Manifest, progress: Progress) -> None:
        self._engine = engine
        self._progress = progress
        self._identity = manifest.identity
        self.last_lsn = manifest.last_lsn
        self.committed_ms = manifest.committed_ms
        self.records = 0

    def run(self, archive: Archive, until: Until) -> None:
        """Apply what is wanted of the archive; `require_complete` once the engine is closed."""
        first_lsn = self.last_lsn + 1
        self._progress.start("replaying", max(archive.last_lsn - first_lsn + 1, 0))
        for record in archive.records(self._identity, first_lsn):
            if until.ends_before(record.lsn, record.changes.committed_ms):
                break
            hit("restore-replay")
            self._apply(record.changes)
            self.records += 1
            self.last_lsn, self.committed_ms = record.lsn, record.changes.committed_ms
            self._progress.reach(self.records)

    def require_complete(self) -> None:
        """After the close: `BackupError` unless everything that was applied is durable."""
        durable_lsn = self._engine.pipeline.durable_lsn
        refusal = self._engine.refusal
        if refusal is not None or durable_lsn != self.last_lsn:
            why = refusal or f"the log ends at {durable_lsn}"
            raise BackupError(f"restoring stopped before LSN {self.last_lsn}: {why}")

    def _apply(self, changes: Changes) -> None:
        engine, store = self._engine, self._engine.store
        while (delay_s := engine.write_delay_s()) > 0:
            engine.maintain()
            sleep(delay_s)
        engine.begin()
        if engine.refusal is not None:
            raise BackupError(f"restoring stopped behind LSN {self.last_lsn}: {engine.refusal}")
        store.group.committed_ms = changes.committed_ms
        for begin, end in changes.ranges:
            store.delete_range(begin, end)
        for key, entry in changes.entries.items():
            assert entry is None or isinstance(entry, bytes), "an archive holds whole values"
            if entry is None:
                store.delete(key)
            else:
                store.put(key, entry)
        engine.end()
        # One record, one group: the next one may not join it.
        engine.pipeline.keep_waiting_as_it_is()
        engine.maintain()
