"""What opening a directory has to do, decided by what is found in it (pure).

    case  log ends    first record       last record  action
    A     clean       none, applied = 0               start: a new directory
    B     clean       <= applied + 1     >= reached   replay what is not applied
    C     clean       none, applied > 0               start after the applied LSN
    D     torn tail   <= applied + 1     >= reached   cut the tail, then as A, B or C
                      or none
    E     in any way  <= applied + 1     < reached    refuse: the end of the log is missing
          in any way  none, applied < reached           the same
    F     in any way  > applied + 1                   refuse: records are missing
          in any way  none, and its first segments
                      or all of them are gone
    G     corruption                                  refuse: damaged bytes

"applied" is the LSN up to which the index holds everything, "reached" the one up to which it holds
anything: they differ where a crash cut off a drain. The tail of case D was never
acknowledged: a record is acknowledged after its sync, and a synced record is whole. The index gets
only what is durable in the log, and the log gives up only what the index holds, and never its last
segment. So a log that ends before the index (E), that has no record and does not begin with segment
1 although the index is empty, or no segment although it is not (F), has lost files; with them may
be lost what the index does not hold. In all accepted cases numbering goes on from the maximum of
log and index, so an LSN is never used twice. The table is described in docs/recovery.md.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

CaseLetter = Literal["A", "B", "C", "D", "E", "F", "G"]
LogEnding = Literal["clean", "torn", "corruption"]


class RecoveryFacts(NamedTuple):
    """LSNs are 0 where there is none. `first_segment` of the log: 0 if it has no segment at all.

    The index holds everything up to `applied_lsn` and nothing beyond `reached_lsn`.
    """

    ending: LogEnding
    first_lsn: int
    last_lsn: int
    applied_lsn: int
    reached_lsn: int
    first_segment: int


class Case(NamedTuple):
    """`next_lsn` is where numbering goes on; meaningless if `refuses`."""

    letter: CaseLetter
    refuses: bool
    repairs_tail: bool
    next_lsn: int
    meaning: str


def classify(facts: RecoveryFacts) -> Case:
    """The row of the table that fits."""
    if facts.ending == "corruption":
        return _refuse("G", "the log is damaged")
    missing = _missing(facts)
    if missing:
        return _refuse("F", missing)
    if _is_cut_short(facts):
        return _refuse("E", _cut_short(facts))
    next_lsn = max(facts.last_lsn, facts.applied_lsn) + 1
    if facts.ending == "torn":
        return Case("D", False, True, next_lsn, "the last write was cut off and never acknowledged")
    if facts.first_lsn == 0:
        if facts.applied_lsn == 0:
            return Case("A", False, False, next_lsn, "nothing was written yet")
        return Case("C", False, False, next_lsn, "everything is in the index, the log is empty")
    return Case("B", False, False, next_lsn, "the log is whole")


def _refuse(letter: CaseLetter, meaning: str) -> Case:
    return Case(letter, True, False, 0, meaning)


def _missing(facts: RecoveryFacts) -> str:
    """Which records are missing in front of those that are there; "" if none are."""
    applied = facts.applied_lsn
    if facts.first_lsn > applied + 1:
        return (
            f"records {applied + 1} to {facts.first_lsn - 1} are missing: "
            f"the log begins at {facts.first_lsn}, the index ends at {applied}"
        )
    if applied and not facts.first_segment:
        return f"the log is missing: the index ends at {applied}, and an engine always has a log"
    if not applied and not facts.first_lsn and facts.first_segment > 1:
        return "the index is empty, and the log has given up records that it held"
    return ""


def _is_cut_short(facts: RecoveryFacts) -> bool:
    """A log without records ends where the index does, if nothing is missing."""
    return (facts.last_lsn or facts.applied_lsn) < max(facts.applied_lsn, facts.reached_lsn)


def _cut_short(facts: RecoveryFacts) -> str:
    return (
        f"the end of the log is missing: it ends at {facts.last_lsn or facts.applied_lsn}, "
        f"and the index holds records up to {max(facts.applied_lsn, facts.reached_lsn)}"
    )
