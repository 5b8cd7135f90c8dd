"""From which parts of a damaged directory a salvage builds the new one (pure).

    index       applied LSN   log                            base           replayed from
    usable      known         any, but:                      the index      applied + 1
    usable      known         begins with LSN 1, breaks      nothing        LSN 1
                              off from applied to reached
    usable      0 (empty)     begins later                   refused
    usable      unreadable    without records                the index      nothing
    usable      unreadable    unbroken to its end            the index      the first record
    usable      unreadable    broken, begins with LSN 1      nothing        LSN 1
    usable      unreadable    broken, begins later           refused
    absent or   -             begins with LSN 1              nothing        LSN 1
    unusable
    absent      -             without records, unbroken      nothing        LSN 1 (it is empty)
    absent      -             without intact records         refused
    unusable    -             without intact records         refused
    absent or   -             begins later                   refused
    unusable

Replaying from the first record over an index of unknown age is right only if the log is unbroken:
records are physical and the index is never older than the record before the first (segments are
given up only when the index has them), so once the last record is applied nothing depends on where
the index stood. With a broken log the index may be newer than the break. So may one that a crash
cut off in a drain: it holds some of the changes up to its reached LSN, and is right only once all
of those records are applied.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

IndexCondition = Literal["usable", "unusable", "absent"]


class SalvageFacts(NamedTuple):
    """`applied_lsn` None: unreadable. `first_lsn` 0: the log has no intact record.

    The index holds nothing beyond `reached_lsn`. `unbroken`: every record from the first to the end
    of the log is intact (a torn tail is one); `intact_lsn`: the last one before which none is lost.
    """

    index_is: IndexCondition
    applied_lsn: int | None
    reached_lsn: int
    first_lsn: int
    intact_lsn: int
    unbroken: bool


class Plan(NamedTuple):
    """What to start with, and the first record to replay; `refusal` says why neither."""

    uses_index: bool
    replay_from_lsn: int
    refusal: str = ""


def plan_salvage(facts: SalvageFacts) -> Plan:
    """The row of the table that fits."""
    if facts.index_is == "usable":
        if facts.applied_lsn is not None:
            return _plan_over_index(facts, facts.applied_lsn)
        if facts.unbroken:
            return Plan(True, max(facts.first_lsn, 1))
        if facts.first_lsn != 1:
            return _refuse("it is unreadable how far the index goes, and the log is damaged, too")
        return Plan(False, 1)
    state = "is missing" if facts.index_is == "absent" else "cannot be opened"
    if facts.first_lsn > 1:
        return _refuse(f"the index {state}, and the log begins with LSN {facts.first_lsn}, not 1")
    if facts.first_lsn == 0 and not (facts.index_is == "absent" and facts.unbroken):
        return _refuse(f"the index {state}, and the log has no intact record")
    return Plan(False, 1)


def _plan_over_index(facts: SalvageFacts, applied_lsn: int) -> Plan:
    if applied_lsn == 0 and facts.first_lsn > 1:
        return _refuse(f"the index is empty, and the log begins with LSN {facts.first_lsn}")
    if facts.first_lsn == 1 and applied_lsn <= facts.intact_lsn < facts.reached_lsn:
        return Plan(False, 1)
    return Plan(True, applied_lsn + 1)


def healing_start(applied_lsn: int, first_lsn: int, reaches_lsn: int) -> int:
    """Where a replay over an index with unreadable places begins.

    What the log still holds of the time before `applied_lsn` brings back keys of those places, if
    the records from the first on reach at least up to it (`reaches_lsn`); else only newer ones are
    replayed, because older states must not come back.
    """
    if 0 < first_lsn <= applied_lsn <= reaches_lsn:
        return first_lsn
    return applied_lsn + 1


def _refuse(reason: str) -> Plan:
    return Plan(False, 0, reason)
