"""Judging the log of a directory before anything in it is changed (shell; reads only).

A directory that is going to be refused stays as it is, byte for byte: what a repair or a salvage
could still use must not be lost to the attempt of opening it. So the log is read once for its
verdict alone, against the applied LSN of an index that was looked at read-only.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from kiwi_engine.commit.changes import decode_changes
from kiwi_engine.engine.layout import Paths
from kiwi_engine.engine.recovery.cases import Case, LogEnding, RecoveryFacts, classify
from kiwi_engine.engine.state import IndexState
from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.segment_format import CleanEnd, Corruption, Ending, TornTail
from kiwi_engine.wal.format import Record
from kiwi_engine.wal.reader import LogReader

logger = logging.getLogger(__name__)


class Judgement(NamedTuple):
    """An accepted log: its case, and the reader that has just passed over it."""

    case: Case
    reader: LogReader


def judge_log(fs: FileSystem, paths: Paths, state: IndexState) -> Judgement:
    """Read the log without applying it; `CorruptionError` if its case is one that refuses."""
    reader = LogReader(fs, paths.wal)
    applied_lsn = state.applied_lsn
    first_lsn = last_lsn = 0
    for record in reader.records(applied_lsn):
        first_lsn, last_lsn = first_lsn or record.lsn, record.lsn
        if record.lsn > applied_lsn:
            _check_payload(record)
    case = classify(_recovery_facts(reader, first_lsn, last_lsn, state))
    logger.info("recovery case %s: %s", case.letter, case.meaning)
    if isinstance(reader.ending, Corruption):
        raise CorruptionError(reader.ending.path, reader.ending.offset, reader.ending.reason)
    if case.refuses:
        raise CorruptionError(paths.wal, 0, case.meaning)
    return Judgement(case, reader)


def _check_payload(record: Record) -> None:
    """Some 0.2 µs a key, of the 1.5 µs or more that the replay of it costs."""
    try:
        decode_changes(record.payload)
    except ValueError as error:
        raise CorruptionError(record.path, record.offset, str(error)) from error


def _recovery_facts(
    reader: LogReader, first_lsn: int, last_lsn: int, state: IndexState
) -> RecoveryFacts:
    """What `classify` wants to know after a pass from the applied LSN that yielded these LSNs."""
    words: dict[type[Ending], LogEnding] = {
        CleanEnd: "clean",
        TornTail: "torn",
        Corruption: "corruption",
    }
    assert reader.ending is not None, "the pass over the log is complete"
    if not first_lsn and reader.position is not None:
        # Older records were passed over; that they exist still tells an old log from an empty one.
        first_lsn = last_lsn = reader.position.last_lsn
    return RecoveryFacts(
        ending=words[type(reader.ending)],
        first_lsn=first_lsn,
        last_lsn=last_lsn,
        applied_lsn=state.applied_lsn,
        reached_lsn=state.reached_lsn,
        first_segment=reader.numbers[0] if reader.numbers else 0,
    )
