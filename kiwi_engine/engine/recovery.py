"""What opening a directory has to do, decided by what is found in it (pure).

    case  log ends    first record       last record  action
    A     clean       none, applied = 0               start: a new directory
    B     clean       <= applied + 1     >= applied   replay what is not applied
    C     clean       none, applied > 0               start after the applied LSN
    D     torn tail   <= applied + 1,    any          cut the tail, then as A, B or C
                      or none
    E     clean       <= applied + 1     < applied    start after the applied LSN
    F     any         > applied + 1                   refuse: records are missing
    G     corruption                                  refuse: damaged bytes

"applied" is the LSN up to which the index holds everything. The tail of case D was never
acknowledged: a record is acknowledged after its sync, and a synced record is whole. E is harmless
(the index is flushed later than the log is synced, so it means that log files were taken away whose
content is in the index); it is reported. In all accepted cases numbering goes on from the maximum
of log and index, so an LSN is never used twice. The table is described in docs/recovery.md.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

CaseLetter = Literal["A", "B", "C", "D", "E", "F", "G"]
LogEnding = Literal["clean", "torn", "corruption"]


class RecoveryFacts(NamedTuple):
    """LSNs are 0 where there is none."""

    ending: LogEnding
    first_lsn: int
    last_lsn: int
    applied_lsn: int


class Case(NamedTuple):
    """`next_lsn` is where numbering goes on; meaningless if `refuses`."""

    letter: CaseLetter
    refuses: bool
    repairs_tail: bool
    next_lsn: int
    meaning: str


def classify(facts: RecoveryFacts) -> Case:
    """The row of the table that fits."""
    next_lsn = max(facts.last_lsn, facts.applied_lsn) + 1
    if facts.ending == "corruption":
        return Case("G", True, False, 0, "the log is damaged")
    if facts.first_lsn > facts.applied_lsn + 1:
        return Case("F", True, False, 0, _missing(facts))
    if facts.ending == "torn":
        return Case("D", False, True, next_lsn, "the last write was cut off and never acknowledged")
    if facts.first_lsn == 0:
        if facts.applied_lsn == 0:
            return Case("A", False, False, next_lsn, "nothing was written yet")
        return Case("C", False, False, next_lsn, "everything is in the index, the log is empty")
    if facts.last_lsn < facts.applied_lsn:
        return Case("E", False, False, next_lsn, "the log ends before what the index holds")
    return Case("B", False, False, next_lsn, "the log is whole")


def _missing(facts: RecoveryFacts) -> str:
    return (
        f"records {facts.applied_lsn + 1} to {facts.first_lsn - 1} are missing: "
        f"the log begins at {facts.first_lsn}, the index ends at {facts.applied_lsn}"
    )
