"""Opening a data directory: lock, layout, judgement, index, logs, replay (shell).

The log is read twice. The first pass only judges it, as `recovery.classify` says: nothing is
changed before the directory is known to be one of ours, and its index and log to be acceptable. So
a directory that is refused is as it was. Then the log's tail is repaired and made durable, because
a killed process may have left it in the page cache, and the index must never be ahead of the
durable log. The second pass brings back its records, to wait in the write buffer for a drain.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack

import msgspec

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.engine.disk_space import lacks_space
from kiwi_engine.engine.layout import (
    Paths,
    check_layout,
    create_layout,
    has_data,
    make_directories,
    read_layout,
)
from kiwi_engine.engine.overlay import Generation
from kiwi_engine.engine.recovery.cases import Case
from kiwi_engine.engine.recovery.index_access import IndexAccess
from kiwi_engine.engine.recovery.judge import Judgement, judge_log
from kiwi_engine.engine.recovery.replay import Replay
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.engine.state import IndexState
from kiwi_engine.engine.store_protocol import Tally
from kiwi_engine.errors import (
    CorruptionError,
    IndexFailedError,
    IndexFullError,
    KiwiError,
    NoSpaceError,
    StaleCacheError,
)
from kiwi_engine.failpoints import hit
from kiwi_engine.fs.protocol import DirectoryLock, FileSystem
from kiwi_engine.fs.segment_format import TornTail
from kiwi_engine.index.protocol import Index
from kiwi_engine.vlog.reader import ValueLogReader
from kiwi_engine.vlog.writer import ValueLogSettings, ValueLogWriter
from kiwi_engine.wal.pool import remove_spare
from kiwi_engine.wal.repair import repair_tail
from kiwi_engine.wal.writer import LogSettings, LogWriter

logger = logging.getLogger(__name__)


class RecoveryReport(msgspec.Struct, frozen=True, kw_only=True):
    """What opening found and did."""

    case: Case
    applied_lsn_before: int
    records_replayed: int
    last_lsn: int
    torn_tail: str
    duration_ms: int


class Opened(msgspec.Struct, kw_only=True):
    """The parts of an open directory; `close` releases them in the right order."""

    fs: FileSystem
    paths: Paths
    lock: DirectoryLock
    index: Index
    log: LogWriter
    values: ValueLogWriter
    value_reader: ValueLogReader
    tally: Tally
    state: IndexState
    pending: Generation
    report: RecoveryReport

    def close(self) -> None:
        """Close the logs and the index, then let go of the lock."""
        with ExitStack() as each:
            each.callback(self.lock.release)
            each.callback(self._close_index)
            each.callback(self.value_reader.close)
            each.callback(self.values.close)
            each.callback(self.log.close)

    def _close_index(self) -> None:
        try:
            self.index.close()
        except IndexFullError as error:
            # It is closed all the same, and the log has what it could not flush.
            logger.error("the next start replays what could not be flushed: %s", error)


def open_directory(
    fs: FileSystem,
    directory: str,
    settings: EngineSettings,
    tally: Tally,
    index_access: IndexAccess,
) -> Opened:
    """See `Engine.open` for what is raised."""
    try:
        return _open(fs, directory, settings, tally, index_access)
    except (KiwiError, OSError) as error:
        if lacks_space(error):
            raise NoSpaceError(directory, str(error)) from error
        raise


def _open(
    fs: FileSystem,
    directory: str,
    settings: EngineSettings,
    tally: Tally,
    index_access: IndexAccess,
) -> Opened:
    started_ns = monotonic_ns()
    paths = Paths(directory)
    fs.make_directory(directory)
    with ExitStack() as undo:
        lock = fs.lock_directory(directory)
        undo.callback(lock.release)
        state, judgement = _judge(fs, paths, settings, index_access)
        if not all(map(fs.exists, (paths.wal, paths.values))):
            # Somebody removed it; what was judged can do without, or reads will tell.
            make_directories(fs, paths)
        index = _open_index(fs, paths, settings, index_access)
        undo.callback(index.close)
        log, judgement, torn_tail = _open_log(fs, paths, settings, state, judgement)
        undo.callback(log.close)
        value_settings = ValueLogSettings(segment_bytes=settings.value_segment_bytes)
        values = ValueLogWriter.open(fs, paths.values, value_settings)
        replay = Replay(index, tally, state, settings.pending_bytes_max // 2)
        if judgement.case.next_lsn > state.applied_lsn + 1:
            for record in judgement.reader.records(state.applied_lsn + 1):
                replay.apply(record)
        hit("recovery")
        undo.pop_all()
    return Opened(
        fs=fs,
        paths=paths,
        lock=lock,
        index=index,
        log=log,
        values=values,
        value_reader=ValueLogReader(fs, paths.values),
        tally=tally,
        state=replay.state,
        pending=replay.pending,
        report=RecoveryReport(
            case=judgement.case,
            applied_lsn_before=state.applied_lsn,
            records_replayed=replay.records,
            last_lsn=judgement.case.next_lsn - 1,
            torn_tail=torn_tail,
            duration_ms=(monotonic_ns() - started_ns) // 1_000_000,
        ),
    )


def _open_index(
    fs: FileSystem, paths: Paths, settings: EngineSettings, index_access: IndexAccess
) -> Index:
    """The index, which needs some kilobytes of disk to be opened."""
    try:
        return index_access.open(paths.index, settings)
    except IndexFullError as error:
        removed = remove_spare(fs, paths.wal)
        if not removed:
            raise
        logger.warning("%d unused log files were removed to make room: %s", removed, error)
        return index_access.open(paths.index, settings)


def _judge(
    fs: FileSystem, paths: Paths, settings: EngineSettings, index_access: IndexAccess
) -> tuple[IndexState, Judgement]:
    """The state of the index, and an acceptable log. A refusal says what to do."""
    advice = f"nothing was changed; see `kiwi-engine recover {paths.root}`"
    try:
        _check_layout(fs, paths)
        state = index_access.read_state(paths.index, settings)
        return state, judge_log(fs, paths, state)
    except CorruptionError as damage:
        reason = f"{damage.reason} ({advice})"
        raise CorruptionError(damage.path, damage.offset, reason) from damage
    except IndexFailedError as failure:
        raise IndexFailedError(failure.path, f"{failure.reason} ({advice})") from failure


def _check_layout(fs: FileSystem, paths: Paths) -> None:
    """Make the layout of an empty directory; `LayoutError` or `CorruptionError` for a wrong one."""
    layout = read_layout(fs, paths)
    if layout is not None:
        check_layout(layout, paths.layout)
    elif has_data(fs, paths):
        raise CorruptionError(paths.layout, 0, "the layout file is missing")
    else:
        create_layout(fs, paths)


def _open_log(
    fs: FileSystem, paths: Paths, settings: EngineSettings, state: IndexState, judgement: Judgement
) -> tuple[LogWriter, Judgement, str]:
    """The log, whole and durable; what it was judged to be, and its torn tail if it had one."""
    try:
        return _go_on(fs, paths, settings, judgement)
    except StaleCacheError as stale:
        # After a failed sync; the log on the device ends earlier, and is what counts.
        logger.warning("%s", stale)
        return _go_on(fs, paths, settings, judge_log(fs, paths, state))


def _go_on(
    fs: FileSystem, paths: Paths, settings: EngineSettings, judgement: Judgement
) -> tuple[LogWriter, Judgement, str]:
    """Clear the torn tail of the log, make the rest durable, and open it for writing."""
    case, reader = judgement
    position = reader.position
    assert position is not None, "an accepted log has a position to go on from"
    torn_tail = ""
    if isinstance(reader.ending, TornTail):
        torn = reader.ending
        torn_tail = f"{torn.path} at offset {torn.offset}: {torn.reason}"
        repaired_bytes = repair_tail(fs, torn.path, torn.offset)
        logger.warning("torn tail cleared (%d bytes): %s", repaired_bytes, torn_tail)
    log_settings = LogSettings(segment_bytes=settings.wal_segment_bytes)
    log = LogWriter.open(fs, paths.wal, log_settings, position.raised_to(case.next_lsn))
    return log, judgement, torn_tail
