"""What an inspection of a data directory found, and what that amounts to (pure).

    verdict      exit code   meaning
    clean        0           everything that was read is intact and complete
    torn tail    1           a write that was never acknowledged was cut off; a start copes with it
    corruption   4           bytes that had been made durable are damaged or missing
    unreadable   5           something could not be read, so nothing can be said

The exit codes are those of `kiwi-engine recover`; docs/recovery.md describes them for users.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from kiwi_engine.engine.layout import Layout
from kiwi_engine.fs.segment_format import Corruption, Ending, TornTail

Severity = Literal["note", "torn tail", "unreadable", "corruption"]
EndingWord = Literal["clean", "torn tail", "corruption"]
Verdict = Literal["clean", "torn tail", "unreadable", "corruption"]

# Enough to see the pattern of a damage; the rest is counted.
FINDINGS_MAX: Final = 100
_EXIT_CODES: Final[dict[Verdict, int]] = {
    "clean": 0,
    "torn tail": 1,
    "unreadable": 5,
    "corruption": 4,
}
_WORST_FIRST: Final[tuple[Verdict, ...]] = ("corruption", "unreadable", "torn tail")


def ending_word(ending: Ending) -> EndingWord:
    """What a report calls the end of a log or of a segment."""
    if isinstance(ending, TornTail):
        return "torn tail"
    return "corruption" if isinstance(ending, Corruption) else "clean"


def exit_code_of(verdict: Verdict) -> int:
    """The exit code of `kiwi-engine recover`."""
    return _EXIT_CODES[verdict]


class Finding(msgspec.Struct, frozen=True):
    """One thing worth saying, and where: a path, and an offset where there is one."""

    severity: Severity
    path: str
    offset: int
    reason: str


class LogReport(msgspec.Struct, frozen=True, kw_only=True):
    """The commit log. `torn_bytes`: length of the cut-off write at its end. LSN 0 means none."""

    segments: int
    prepared_segments: int
    recycled_segments: int
    bytes: int
    record_bytes: int
    records: int
    first_lsn: int
    last_lsn: int
    torn_bytes: int
    ending: EndingWord


class ValueLogReport(msgspec.Struct, frozen=True, kw_only=True):
    """The value log. `value_bytes`: as clients gave them; `stored_bytes`: as they lie here.

    `torn_segments`: those that end in a write that was cut off.
    """

    segments: int
    bytes: int
    entries: int
    value_bytes: int
    stored_bytes: int
    torn_segments: int


class IndexReport(msgspec.Struct, frozen=True, kw_only=True):
    """The index as flushed. The counts are of a full check (`verify`), else None."""

    version: str
    applied_lsn: int
    estimated_keys: int
    table_files: int
    table_bytes: int
    tables_verified: int | None = None
    entries_verified: int | None = None
    pointers_verified: int | None = None


class DirectoryReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything found. Parts that could not be read at all are None."""

    path: str
    in_use_by: int | None
    layout: Layout | None
    case: str | None
    meaning: str
    records_to_replay: int
    log: LogReport | None
    value_log: ValueLogReport | None
    index: IndexReport | None
    findings: tuple[Finding, ...]
    findings_left_out: int
    verdict: Verdict

    @property
    def exit_code(self) -> int:
        """The exit code of `kiwi-engine recover`."""
        return exit_code_of(self.verdict)


class Findings:
    """Collects findings, the first `FINDINGS_MAX` of each severity in full."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Finding]] = {}
        self._counts: dict[str, int] = {}

    def add(self, severity: Severity, path: str, offset: int, reason: str) -> None:
        """Note something, each place once; what exceeds the bound is only counted."""
        kept = self._kept.setdefault(severity, [])
        if any(finding.offset == offset and finding.path == path for finding in kept):
            return
        if len(kept) < FINDINGS_MAX:
            kept.append(Finding(severity, path, offset, reason))
        self._counts[severity] = self._counts.get(severity, 0) + 1

    @property
    def verdict(self) -> Verdict:
        """The worst of what was found."""
        return next((word for word in _WORST_FIRST if word in self._counts), "clean")

    def all(self) -> tuple[Finding, ...]:
        """The findings kept, the worst first, otherwise in the order of their discovery."""
        order = (*_WORST_FIRST, "note")
        return tuple(finding for word in order for finding in self._kept.get(word, ()))

    @property
    def left_out(self) -> int:
        """How many were counted but not kept."""
        return sum(self._counts.values()) - sum(len(kept) for kept in self._kept.values())
