"""The report of a salvage for people, and what the keys mean to it (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from kiwi_engine.cli.describe import describe_key
from kiwi_engine.engine.salvage.report import (
    LOST_NAME,
    REPORT_NAME,
    KeyRules,
    LostElements,
    LostKey,
    LostRange,
    SalvageReport,
)
from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.keyspace.encoding import (
    EMBEDDED_COUNTER,
    HASH_KIND,
    META_NAMESPACES,
    META_NEXT_VERSION,
    NamespaceMap,
    data_key,
    deadline_of,
    decode_namespaces,
    expiry_key,
    field_expiry_key,
    keys_counter,
    kind_of,
    namespace_prefix,
    tally,
    user_key,
)
from kiwi_engine.keyspace.spread.mending import Mender
from kiwi_engine.keyspace.spread.roots import field_deadline_of, version_of
from kiwi_engine.keyspace.spread.versions import Home, encode_home, registry_key

_SHOWN_BYTES: Final = 64
_KEYS_COUNTER: Final = keys_counter(0)[:1]


# Roots are much shorter than the values that are kept elsewhere: their heads are all of them.
_ROOT_HEAD_BYTES_MIN: Final = 18


def _derived(key: bytes, head: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Deadlines have entries in an index, versions of spread collections in the registry."""
    if key[:1] != b"d":
        return ()
    namespace, name = int.from_bytes(key[1:5], "big"), user_key(key)
    entries = []
    if deadline_ms := deadline_of(head):
        entries.append((expiry_key(deadline_ms, namespace, name), b""))
    if len(head) >= _ROOT_HEAD_BYTES_MIN:
        if version := version_of(head):
            home = Home(kind_of(head), namespace, name)
            entries.append((registry_key(version), encode_home(home)))
        is_hash = kind_of(head) == HASH_KIND
        if is_hash and (deadline_ms := field_deadline_of(head)):
            entries.append((field_expiry_key(deadline_ms, namespace, name), b""))
    return tuple(entries)


def _mend(store: Store, pause: Callable[[], None]) -> Iterator[LostElements]:
    """Spread collections: roots and elements lie apart."""
    for mended in Mender(store, pause).run():
        prefix = namespace_prefix(mended.home.namespace)
        key = data_key(prefix, mended.home.key)
        yield LostElements(
            key=key.hex(), meaning=_describe(key), told=mended.told, found=mended.found
        )


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
    essential=(META_NAMESPACES, META_NEXT_VERSION),
    derived=_derived,
    mend=_mend,
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
    lines += [
        f"{'mended':<12} {one.meaning}: {one.found} of {one.told} elements" for one in report.mended
    ]
    if report.mended_count > len(report.mended):
        lines.append(f"             and {report.mended_count - len(report.mended)} more of these")
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
