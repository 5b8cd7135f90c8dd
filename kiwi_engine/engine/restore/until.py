"""How far a restore is to go, and whether it can (pure)."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from kiwi_engine.engine.archive.reader import Archive
from kiwi_engine.engine.backup.manifest import Manifest
from kiwi_engine.errors import BackupError


class Until(msgspec.Struct, frozen=True):
    """The last record wanted, by LSN or by time; all of them where neither is given.

    `time_ms`, milliseconds since the Unix epoch: up to the first record that was made later.
    """

    lsn: int | None = None
    time_ms: int | None = None

    def ends_before(self, lsn: int, committed_ms: int) -> bool:
        """Whether the record is beyond what is wanted."""
        if self.lsn is not None:
            return lsn > self.lsn
        return self.time_ms is not None and committed_ms > self.time_ms


def parse_until(text: str) -> Until:
    """`1042` (an LSN), `@1700000000.5` (Unix seconds) or `2026-11-21T17:15:00+00:00` (ISO 8601).

    A time without a zone is UTC. `ValueError` for anything else.
    """
    if text.isascii() and text.isdecimal():
        return Until(lsn=int(text))
    try:
        if text.startswith("@"):
            return Until(time_ms=round(float(text[1:]) * 1000))
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return Until(time_ms=round(moment.timestamp() * 1000))
    except (ValueError, OverflowError):
        raise ValueError(
            f"expected an LSN, a time such as 2026-11-21T17:15:00+00:00, "
            f"or Unix seconds such as @1700000000: {text!r}"
        ) from None


def show_time(moment_ms: int) -> str:
    """A time as `parse_until` takes it."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="milliseconds")


def require_reachable(until: Until, manifest: Manifest, archive: Archive | None) -> None:
    """`BackupError` unless the backup is early enough and the archive goes on from it to there."""
    backup_lsn = manifest.last_lsn
    if until.lsn is not None and until.lsn < backup_lsn:
        raise BackupError(
            f"the backup is the state after LSN {backup_lsn}; to go back to {until.lsn} takes a "
            f"backup made before that"
        )
    earliest_ms = manifest.committed_ms or manifest.taken_ms
    if until.time_ms is not None and until.time_ms < earliest_ms:
        raise BackupError(
            f"the backup is the state of {show_time(earliest_ms)}; to go back to "
            f"{show_time(until.time_ms)} takes a backup made before that"
        )
    if archive is not None and archive.first_lsn > backup_lsn + 1:
        raise BackupError(
            f"the archive begins at LSN {archive.first_lsn}, the backup ends at {backup_lsn}: the "
            f"records between are missing"
        )
    if until.lsn is not None and until.lsn > backup_lsn:
        if archive is None:
            raise BackupError(
                f"the backup ends at LSN {backup_lsn}; to go on to {until.lsn} takes --archive"
            )
        if archive.last_lsn < until.lsn:
            raise BackupError(f"the archive ends at LSN {archive.last_lsn}, before {until.lsn}")
    if until.time_ms is not None and archive is None:
        raise BackupError("to restore up to a time takes --archive")
