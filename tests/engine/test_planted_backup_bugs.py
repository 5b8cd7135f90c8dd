"""The sweeps of backup, archive and restore find bugs: each is planted in turn, and must be found.

Each stands for a mistake that a storage engine has made, or could.
"""

from __future__ import annotations

from typing import Final
from unittest.mock import patch

import pytest

from kiwi_engine.checksum import crc32c
from kiwi_engine.engine.archive.writer import Archived, ArchiveWriter, _Draft
from kiwi_engine.engine.backup import checkpoint
from kiwi_engine.engine.backup import job as backup
from kiwi_engine.engine.backup import target as backup_target
from kiwi_engine.engine.backup.checkpoint import Checkpoint
from kiwi_engine.engine.backup.file_copy import Pace
from kiwi_engine.engine.backup.target import BackupTarget
from kiwi_engine.engine.log_tail import LogTail
from kiwi_engine.engine.recovery.opening import Opened
from kiwi_engine.engine.restore.place import RestorePlace
from kiwi_engine.engine.retention import UNLIMITED, Retention
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.wal.writer import LogWriter
from tests.engine.backup_sweep import BackupSweep, RestoreSweep
from tests.sweeps.planted import Patch, require_found

_begin = BackupTarget._begin
_hold = Retention.hold
_publish_archive = ArchiveWriter._publish
_sync_directory = CrashFs.sync_directory
_take_checkpoint = checkpoint.take_checkpoint
_look_at_tail = LogTail.__init__


def _copy_unsynced(fs: FileSystem, source: str, target: str, length: int, pace: Pace) -> int:
    reading, writing = fs.open(source, writable=False), fs.create(target)
    pace(length)
    data = reading.pread(length, 0)
    writing.pwritev((data,), 0)
    return crc32c(data)


def _leave_backup_names(fs: CrashFs, path: str) -> None:
    if path != "/backup/files":
        _sync_directory(fs, path)


def _remove_last_backup(target: BackupTarget) -> None:
    _begin(target)
    target._remove_unnamed(None)


def _copy_values_first(opened: Opened, applied_lsn: int) -> Checkpoint:
    values = checkpoint._value_files(opened)
    with patch.object(checkpoint, "_value_files", lambda opened: values):
        return _take_checkpoint(opened, applied_lsn)


def _hold_not(name: str) -> Patch:
    def hold(retention: Retention, holder: str, through_lsn: int) -> None:
        if holder != name:
            _hold(retention, holder, through_lsn)

    return Retention, "hold", hold


def _up_to_written(
    tail: LogTail, fs: FileSystem, directory: str, log: LogWriter, from_lsn: int
) -> None:
    _look_at_tail(tail, fs, directory, log, from_lsn)
    tail.last_lsn = log.next_lsn - 1
    tail._numbers = log.segments_from(from_lsn) if tail.last_lsn >= from_lsn else []


def _publish_unsynced(writer: ArchiveWriter, draft: _Draft, archived: Archived) -> None:
    with patch.object(draft.file, "datasync", lambda: None):
        _publish_archive(writer, draft, archived)


def _rename_only(place: RestorePlace) -> None:
    place._fs.rename(place.partial.root, place.target)


BACKUP: Final[dict[str, Patch]] = {
    "the manifest before the data": (backup_target, "copy_file", _copy_unsynced),
    "names of files never synced": (CrashFs, "sync_directory", _leave_backup_names),
    "the last backup removed first": (BackupTarget, "_begin", _remove_last_backup),
    "the value log copied before the log": (backup, "take_checkpoint", _copy_values_first),
    "the log not held back for a backup": _hold_not("backup"),
    "the log not held back for the archive": _hold_not("archive"),
    "nothing held back": (Retention, "floor", lambda retention: UNLIMITED),
    "records copied before they are durable": (LogTail, "__init__", _up_to_written),
    "an archive file named before it is durable": (ArchiveWriter, "_publish", _publish_unsynced),
}
RACES: Final = frozenset(
    {
        "the value log copied before the log",
        "the log not held back for a backup",
        "records copied before they are durable",
    }
)
RESTORE: Final[dict[str, Patch]] = {
    "published before it is durable": (RestorePlace, "publish", _rename_only),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BACKUP)
def test_planted_bug_of_a_backup_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*BACKUP[name])
    # Wrong pictures show without a crash, but only where other threads get in between.
    every = 400 if name in RACES else 20
    require_found(lambda seed: BackupSweep(seed, every), lives=2, steps=200)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", RESTORE)
def test_planted_bug_of_a_restore_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*RESTORE[name])
    require_found(RestoreSweep, lives=1, steps=150)
