"""Making a data directory from a backup, and from the log archived since (shell; one thread).

    1  read the manifest, and refuse what cannot be had
    2  copy the files to NAME.partial, each checked against its checksum
    3  open the directory as after a crash: that replays the log that came with the backup
    4  replay records of the archive; each gets the LSN and the time that it had
    5  close, make everything durable, rename

The new directory is a history of its own from there on, with a new identity: it can be written to,
backed up and archived without ever being mixed up with the old one.
"""

from __future__ import annotations

from typing import Final

import msgspec

from kiwi_engine.engine.archive.reader import Archive
from kiwi_engine.engine.backup.file_copy import CountingProgress, copy_file
from kiwi_engine.engine.backup.manifest import FILES, Manifest
from kiwi_engine.engine.backup.target import read_manifest
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.inspection.progress import Progress
from kiwi_engine.engine.layout import check_layout, create_layout
from kiwi_engine.engine.recovery.index_access import IndexAccess, RocksAccess
from kiwi_engine.engine.restore.place import RestorePlace
from kiwi_engine.engine.restore.replay import ArchiveReplay
from kiwi_engine.engine.restore.until import Until, require_reachable
from kiwi_engine.engine.settings import CollectionSettings, EngineSettings
from kiwi_engine.engine.store_protocol import Tally
from kiwi_engine.errors import ArchiveError, BackupError, CorruptionError
from kiwi_engine.failpoints import hit
from kiwi_engine.fs.deferred_sync import DeferredSync
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.vlog.collection import CollectionLimits

# No segment is more than wholly dead.
_NOTHING_COLLECTED: Final = CollectionLimits(segment_share=2.0, total_share=2.0)


class RestoreOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; all paths are absolute. `archive` "": the backup alone."""

    source: str
    target: str
    archive: str = ""
    until: Until = Until()


class RestoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was restored: the state after `last_lsn`.

    `committed_ms`: when that record was made, milliseconds since the Unix epoch; where the log no
    longer tells, when the backup was taken. `archive_lsn`: the end of the archive, 0 without one.
    """

    target: str
    backup_lsn: int
    last_lsn: int
    committed_ms: int
    records_replayed: int
    archive_lsn: int
    files: int
    bytes: int


def _for_replay(settings: EngineSettings) -> EngineSettings:
    """Nobody waits for replies, and no record may come in between: nothing is collected."""
    return msgspec.structs.replace(
        settings,
        sync_mode="no",
        archive_directory="",
        collection=CollectionSettings(limits=_NOTHING_COLLECTED),
    )


class Restore:
    """One restore. `settings`: sizes and thresholds of the new directory."""

    def __init__(
        self,
        fs: FileSystem,
        order: RestoreOrder,
        settings: EngineSettings,
        tally: Tally,
        progress: Progress,
        index_access: IndexAccess | None = None,
    ) -> None:
        self._fs = fs
        # What is made gets its name only when all of it is durable.
        self._making = DeferredSync(fs)
        self._order = order
        self._settings = _for_replay(settings)
        self._tally = tally
        self._progress = progress
        self._index_access = index_access or RocksAccess()

    def run(self) -> RestoreReport:
        """Do all of it.

        `BackupError`, `ArchiveError`, `CorruptionError`, `LayoutError` or `OSError` say why it was
        not done; then there is nothing at the target.
        """
        fs, order = self._fs, self._order
        manifest = read_manifest(fs, order.source)
        check_layout(manifest.layout, order.source)
        archive = self._open_archive(manifest)
        require_reachable(order.until, manifest, archive)
        self._require_files(manifest)
        place = RestorePlace(fs, order.target)
        try:
            self._copy(manifest, place)
            report = self._open_and_replay(manifest, archive, place)
            place.publish()
        except BaseException:
            place.clear()
            raise
        return report

    def _open_archive(self, manifest: Manifest) -> Archive | None:
        directory = self._order.archive
        if not directory:
            return None
        if not self._fs.exists(directory):
            raise ArchiveError(f"there is no archive {directory}")
        archive = Archive(self._fs, directory)
        identity = archive.identity()
        if identity not in {"", manifest.identity}:
            raise ArchiveError(
                f"{directory} is the archive of another data directory than {self._order.source} "
                f"is a backup of (identity {identity}, not {manifest.identity})"
            )
        return archive

    def _require_files(self, manifest: Manifest) -> None:
        """See that all files are there, before hours of copying begin."""
        for file in manifest.files:
            path = self._stored(file.stored)
            if not self._fs.exists(path):
                raise CorruptionError(path, 0, "the file is missing from the backup")
            if (size := self._fs.size(path)) != file.bytes:
                reason = f"the file has {size} bytes, the manifest says {file.bytes}"
                raise CorruptionError(path, min(size, file.bytes), reason)

    def _stored(self, name: str) -> str:
        return f"{self._order.source}/{FILES}/{name}"

    def _copy(self, manifest: Manifest, place: RestorePlace) -> None:
        partial, progress = place.partial, CountingProgress(self._progress)
        create_layout(self._making, partial)
        progress.start("copying", manifest.total_bytes)
        for file in manifest.files:
            hit("restore-copy")
            source, target = self._stored(file.stored), f"{partial.root}/{file.name}"
            checksum = copy_file(self._making, source, target, file.bytes, progress.add)
            if checksum != file.crc32c:
                raise CorruptionError(source, 0, "file checksum mismatch")

    def _open_and_replay(
        self, manifest: Manifest, archive: Archive | None, place: RestorePlace
    ) -> RestoreReport:
        place.hand_over()
        engine = Engine.open(
            place.partial.root,
            self._settings,
            self._tally,
            lambda replies, error: None,
            self._making,
            self._index_access,
        )
        try:
            found = engine.opened.report.last_lsn
            if found != manifest.last_lsn:
                raise BackupError(
                    f"{self._order.source} is the state after LSN {manifest.last_lsn}, but its "
                    f"files end at {found}"
                )
            replay = ArchiveReplay(engine, manifest, self._progress)
            if archive is not None:
                replay.run(archive, self._order.until)
        finally:
            engine.close()
        replay.require_complete()
        return RestoreReport(
            target=self._order.target,
            backup_lsn=manifest.last_lsn,
            last_lsn=replay.last_lsn,
            committed_ms=replay.committed_ms or manifest.taken_ms,
            records_replayed=replay.records,
            archive_lsn=archive.last_lsn if archive else 0,
            files=len(manifest.files),
            bytes=manifest.total_bytes,
        )
