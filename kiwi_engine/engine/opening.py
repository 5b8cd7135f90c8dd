"""Opening a data directory: lock, layout, index, replay, logs (shell; obeys `recovery.classify`).

The log is read twice. The first pass only judges it: nothing is changed before the directory is
known to be one of ours and its log to be acceptable. Then its tail is repaired and made durable,
because a killed process may have left it in the page cache, and the index must never be ahead of
the durable log. The second pass brings back its records, to wait in the write buffer for a drain.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.engine.layout import Paths, check_layout, create_layout, read_layout
from kiwi_engine.engine.overlay import Generation
from kiwi_engine.engine.recovery import Case, LogEnding, RecoveryFacts, classify
from kiwi_engine.engine.replay import Replay
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.engine.state import STATE_KEY, IndexState, decode_state
from kiwi_engine.engine.store_protocol import Tally
from kiwi_engine.errors import CorruptionError, StaleCacheError
from kiwi_engine.failpoints import hit
from kiwi_engine.fs.protocol import DirectoryLock, FileSystem
from kiwi_engine.fs.segment_format import CleanEnd, Corruption, Ending, TornTail
from kiwi_engine.index.protocol import Index
from kiwi_engine.vlog.reader import ValueLogReader
from kiwi_engine.vlog.writer import ValueLogSettings, ValueLogWriter
from kiwi_engine.wal.reader import LogReader
from kiwi_engine.wal.repair import repair_tail
from kiwi_engine.wal.writer import LogSettings, LogWriter

logger = logging.getLogger(__name__)

OpenIndex = Callable[[str, EngineSettings], Index]


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
        self.log.close()
        self.values.close()
        self.value_reader.close()
        self.index.close()
        self.lock.release()


def open_directory(
    fs: FileSystem,
    directory: str,
    settings: EngineSettings,
    tally: Tally,
    open_index: OpenIndex,
) -> Opened:
    """See `Engine.open` for what is raised."""
    paths = Paths(directory)
    fs.make_directory(directory)
    lock = fs.lock_directory(directory)
    try:
        layout = read_layout(fs, paths)
        if layout is None:
            create_layout(fs, paths)
        else:
            check_layout(layout, paths.layout)
        index = open_index(paths.index, settings)
        try:
            return _recover(fs, paths, lock, index, settings, tally)
        except BaseException:
            index.close()
            raise
    except BaseException:
        lock.release()
        raise


def _recover(
    fs: FileSystem,
    paths: Paths,
    lock: DirectoryLock,
    index: Index,
    settings: EngineSettings,
    tally: Tally,
) -> Opened:
    started_ns = monotonic_ns()
    state = decode_state(index.get(STATE_KEY))
    try:
        reader, case, log, torn_tail = _open_log(fs, paths, settings, state)
    except StaleCacheError as stale:
        # After a failed sync; the log on the device ends earlier, and is what counts.
        logger.warning("%s", stale)
        reader, case, log, torn_tail = _open_log(fs, paths, settings, state)
    value_settings = ValueLogSettings(segment_bytes=settings.value_segment_bytes)
    values = ValueLogWriter.open(fs, paths.values, value_settings)
    replay = Replay(index, tally, state, settings.pending_bytes_max // 2)
    if case.next_lsn > state.applied_lsn + 1:
        for record in reader.records(state.applied_lsn + 1):
            replay.apply(record)
    hit("recovery")
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
            case=case,
            applied_lsn_before=state.applied_lsn,
            records_replayed=replay.records,
            last_lsn=case.next_lsn - 1,
            torn_tail=torn_tail,
            duration_ms=(monotonic_ns() - started_ns) // 1_000_000,
        ),
    )


def _open_log(
    fs: FileSystem, paths: Paths, settings: EngineSettings, state: IndexState
) -> tuple[LogReader, Case, LogWriter, str]:
    """Judge the log, clear its torn tail (the last result says which) and make it durable."""
    reader = LogReader(fs, paths.wal)
    case = _judge(reader, state, paths)
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
    return reader, case, log, torn_tail


def _judge(reader: LogReader, state: IndexState, paths: Paths) -> Case:
    """Read the log without applying it; `CorruptionError` if its case is one that refuses."""
    first_lsn = last_lsn = 0
    for record in reader.records(state.applied_lsn):
        first_lsn, last_lsn = first_lsn or record.lsn, record.lsn
    case = classify(recovery_facts(reader, first_lsn, last_lsn, state.applied_lsn))
    logger.info("recovery case %s: %s", case.letter, case.meaning)
    if isinstance(reader.ending, Corruption):
        raise CorruptionError(reader.ending.path, reader.ending.offset, reader.ending.reason)
    if case.refuses:
        raise CorruptionError(paths.wal, 0, case.meaning)
    return case


def recovery_facts(
    reader: LogReader, first_lsn: int, last_lsn: int, applied_lsn: int
) -> RecoveryFacts:
    """What `classify` wants to know after a pass from `applied_lsn` that yielded these LSNs."""
    words: dict[type[Ending], LogEnding] = {
        CleanEnd: "clean",
        TornTail: "torn",
        Corruption: "corruption",
    }
    assert reader.ending is not None, "the pass over the log is complete"
    if not first_lsn and reader.position is not None:
        # Older records were passed over; that they exist still tells an old log from an empty one.
        first_lsn = last_lsn = reader.position.last_lsn
    return RecoveryFacts(words[type(reader.ending)], first_lsn, last_lsn, applied_lsn)
