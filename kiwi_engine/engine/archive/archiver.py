"""The log archive of a running engine (glue: executing thread, and a thread of its own).

Every so often the records that became durable since are written to the archive. The log is not
released, nor a value segment collected, before that (`engine.retention`), so nothing is ever
missing from it. Trouble with the archive stops no write by itself: it is logged and told by
`facts`, and tried again; meanwhile the log grows, which the throttle sees.
"""

from __future__ import annotations

import logging
import os
from typing import Final

import msgspec

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.commit.changes import decode_changes
from kiwi_engine.engine.archive.reader import Archive
from kiwi_engine.engine.archive.writer import ArchiveWriter
from kiwi_engine.engine.jobs import BackgroundJobs
from kiwi_engine.engine.layout import read_layout
from kiwi_engine.engine.log_tail import LogTail
from kiwi_engine.engine.recovery.opening import Opened
from kiwi_engine.engine.retention import Retention
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.errors import ArchiveError, KiwiError
from kiwi_engine.fs.protocol import DirectoryLock

logger = logging.getLogger(__name__)

_NAME: Final = "archive"
_RETRY_NS: Final = 1_000_000_000


class ArchiverFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How the archive is doing. `lag`: durable records that are not in it yet."""

    enabled: bool
    archived_lsn: int
    lag: int
    bytes_written: int
    failures: int
    last_error: str


class Archiver:
    """Owned by the engine; does nothing where no archive is configured."""

    def __init__(self, opened: Opened, settings: EngineSettings, retention: Retention) -> None:
        """`ArchiveError`: the archive cannot be continued from this directory.

        An archive that cannot be reached now is no error: it is looked for again.
        """
        self.settings = settings
        self._opened = opened
        self._retention = retention
        self._jobs = BackgroundJobs(1)
        self._writer: ArchiveWriter | None = None
        self._lock: DirectoryLock | None = None
        self._started_ns = 0
        # Written by the job, read by everybody.
        self.archived_lsn = 0
        self.failures = 0
        self.last_error = ""
        if settings.archive_directory:
            retention.hold(_NAME, 0)
            try:
                self._take_place()
            except OSError as error:
                self._note(error)
            except BaseException:
                self._let_go()
                raise

    def maintain(self) -> None:
        """Often: start what is due."""
        for _, _, error in self._jobs.collect():
            if error is not None:
                # A bug; the engine itself is not touched by it.
                logger.error("archiving the log met a bug", exc_info=error)
                self.last_error = "a bug, see the log file"
        if self._is_due(monotonic_ns()):
            self._started_ns = monotonic_ns()
            self._jobs.start(_NAME, self._attempt)

    def facts(self) -> ArchiverFacts:
        """For statistics."""
        enabled = bool(self.settings.archive_directory)
        return ArchiverFacts(
            enabled=enabled,
            archived_lsn=self.archived_lsn,
            lag=self._opened.log.synced_lsn - self.archived_lsn if enabled else 0,
            bytes_written=self._writer.bytes_written if self._writer else 0,
            failures=self.failures,
            last_error=self.last_error,
        )

    def close(self) -> None:
        """After the last commit, before the log is released: archive what is left."""
        self._jobs.close()
        if self.settings.archive_directory:
            self._attempt()
        self._let_go()

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _is_due(self, now_ns: int) -> bool:
        settings, log = self.settings, self._opened.log
        if not settings.archive_directory or self._jobs.is_running(_NAME):
            return False
        since_ns = now_ns - self._started_ns
        if log.synced_lsn <= self.archived_lsn or since_ns < min(
            _RETRY_NS, settings.archive_interval_ns
        ):
            return False
        if since_ns >= settings.archive_interval_ns:
            return True
        # Writers may be waiting for log segments that only the archive still needs.
        return log.facts().retained_bytes > settings.wal_retained_bytes_max

    # ---- background thread

    def _attempt(self) -> None:
        """Archive what is durable; trouble is noted, and tried again by a later attempt."""
        try:
            # After trouble the last file may stand there, although nobody was told.
            if self._writer is None or self.last_error:
                self._take_place()
            assert self._writer is not None
            opened = self._opened
            tail = LogTail(opened.fs, opened.paths.wal, opened.log, self.archived_lsn + 1)
            self._writer.write(tail.records(), self._archived)
        except (KiwiError, OSError) as error:
            self._note(error)
        else:
            if self.last_error:
                logger.info("archiving the log goes on")
            self.last_error = ""

    def _archived(self, lsn: int) -> None:
        self.archived_lsn = lsn
        self._retention.hold(_NAME, lsn)

    def _note(self, error: Exception) -> None:
        self.failures += 1
        if str(error) != self.last_error:
            logger.error("archiving the log failed, it is kept and tried again: %s", error)
        self.last_error = str(error)

    def _take_place(self) -> None:
        """Own the archive, and find how far it goes."""
        opened, directory = self._opened, self.settings.archive_directory
        layout = read_layout(opened.fs, opened.paths)
        assert layout is not None, "an open directory has a layout file"
        opened.fs.make_directory(directory)
        # Else a power failure could take the directory itself, with files that were synced in it.
        opened.fs.sync_directory(os.path.dirname(os.path.abspath(directory)))
        self._lock = self._lock or opened.fs.lock_directory(directory)
        # The last name may be in the cache only: of a killed process, or after a failed sync.
        opened.fs.sync_directory(directory)
        archive = Archive(opened.fs, directory)
        self._require_continuation(archive, layout.identity)
        facts = opened.log.facts()
        first_lsn = archive.last_lsn + 1 if archive.spans else facts.oldest_lsn or facts.next_lsn
        self._writer = self._writer or ArchiveWriter(
            opened.fs, directory, layout.identity, opened.value_reader.read
        )
        self._archived(first_lsn - 1)

    def _require_continuation(self, archive: Archive, identity: str) -> None:
        """Refuse an archive of another history, and one behind which records are missing."""
        directory, facts = self.settings.archive_directory, self._opened.log.facts()
        found, last_lsn = archive.identity(), archive.last_lsn
        advice = "make a backup and begin a new archive in an empty directory"
        if found not in {"", identity}:
            raise ArchiveError(
                f"wal-archive-dir {directory} is the archive of another data directory "
                f"(identity {found}, not {identity}); {advice}"
            )
        if last_lsn >= facts.next_lsn:
            raise ArchiveError(
                f"wal-archive-dir {directory} goes up to LSN {last_lsn}, the log only to "
                f"{facts.next_lsn - 1}; is this an old copy of the data directory? {advice}"
            )
        oldest_lsn = facts.oldest_lsn or facts.next_lsn
        if archive.spans and oldest_lsn > last_lsn + 1:
            raise ArchiveError(
                f"wal-archive-dir {directory} ends at LSN {last_lsn}, the log begins at "
                f"{oldest_lsn}: the records between are gone; {advice}"
            )
        if archive.spans and oldest_lsn <= last_lsn and not self._agrees(archive, identity):
            raise ArchiveError(
                f"wal-archive-dir {directory} holds another record {last_lsn} than the log: two "
                f"copies of the data directory have gone different ways; {advice}"
            )

    def _agrees(self, archive: Archive, identity: str) -> bool:
        """Whether the last archived record, which the log still holds, is the one of the log."""
        opened, lsn = self._opened, archive.last_lsn
        logged = next(LogTail(opened.fs, opened.paths.wal, opened.log, lsn).records())
        archived = next(archive.records(identity, lsn))
        return decode_changes(logged.payload).committed_ms == archived.changes.committed_ms
