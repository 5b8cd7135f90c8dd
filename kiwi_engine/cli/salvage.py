"""The report of a salvage for people, and what the keys mean to it (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kiwi_engine.cli.describe import describe_key
from kiwi_engine.engine.salvage.report import (
    LOST_NAME,
    REPORT_NAME,
    KeyRules,
    LostKey,
    LostRange,
    SalvageReport,
)
from kiwi_engine.keyspace.encoding import (
    EMBEDDED_COUNTER,
    META_NAMESPACES,
    NamespaceMap,
    deadline_of,
    decode_namespaces,
    expiry_key,
    keys_counter,
    tally,
    user_key,
)

_SHOWN_BYTES: Final = 64
_KEYS_COUNTER: Final = keys_counter(0)[:1]


def _derived(key: bytes, head: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """A key with a deadline has an entry in the expiry index."""
    if key[:1] != b"d":
        return ()
    deadline_ms = deadline_of(head)
    if not deadline_ms:
        return ()
    namespace = int.from_bytes(key[1:5], "big")
    return ((expiry_key(deadline_ms, namespace, user_key(key)), b""),)


def _key_count(counters: Mapping[bytes, int], get: Callable[[bytes], bytes | None]) -> int:
    """Embedded keys, and those of databases, but of flushed ones that are not reclaimed yet."""
    stored = get(META_NAMESPACES)
    known = NamespaceMap(0, ()) if stored is None else decode_namespaces(stored)
    total = counters.get(EMBEDDED_COUNTER, 0)
    for name, count in counters.items():
        if name[:1] == _KEYS_COUNTER:
            namespace = int.from_bytes(name[1:], "big")
            if namespace in known.namespaces or namespace >= known.next_namespace:
                total += count
    return total


def _describe(key: bytes) -> str:
    return describe_key(key, _SHOWN_BYTES)


KEY_RULES: Final = KeyRules(
    tally=tally,
    essential=(META_NAMESPACES,),
    derived=_derived,
    key_count=_key_count,
    describe=_describe,
)


def salvage_lines(report: SalvageReport) -> list[str]:
    """The report for reading."""
    applied = "unknown" if report.applied_lsn is None else str(report.applied_lsn)
    base = f"the index (applied LSN {applied}) and " if report.index_used else "the log alone: "
    replayed = f"{report.records_replayed} log records from LSN {report.replayed_from_lsn} on"
    lines = [
        f"directory    {report.source}",
        f"salvaged to  {report.target}",
        f"built from   {base}{replayed}",
        f"state        as after LSN {report.last_lsn}, {report.stored_keys} keys",
    ]
    if report.newer_up_to_lsn:
        lines.append(
            f"newer        some keys are as a lost record up to {report.newer_up_to_lsn} left them"
        )
    behind = report.records_behind
    if behind.records:
        lines.append(
            f"not applied  {behind.records} intact log records, LSN {behind.first_lsn} to "
            f"{behind.last_lsn}: what was before them is lost"
        )
    for finding in report.findings:
        where = f"{finding.path} at offset {finding.offset}"
        lines.append(f"{finding.severity:<12} {where}: {finding.reason}")
    if report.findings_left_out:
        lines.append(f"             and {report.findings_left_out} more of these")
    is_lossy = report.lost_key_count or report.lost_range_count
    lines += _lost_lines("lost keys", report.lost_ranges, report.lost_range_count)
    lines += _lost_lines("lost key", report.lost_keys, report.lost_key_count)
    lost_list = f"; {LOST_NAME} lists all that is lost" if is_lossy else ""
    lines.append(f"report       {REPORT_NAME} in the new directory{lost_list}")
    lines.append(f"verdict      {report.verdict}")
    return lines


def _lost_lines(
    title: str, losses: tuple[LostKey, ...] | tuple[LostRange, ...], count: int
) -> list[str]:
    lines = [
        f"{title:<12} {lost.meaning}: {lost.path} at offset {lost.offset}: {lost.reason}"
        for lost in losses
    ]
    if count > len(losses):
        lines.append(f"             and {count - len(losses)} more of these")
    return lines
