"""Building a new data directory from what is provably good in a damaged one (shell).

The old directory is only read, and not locked; one that a process uses is refused. What counts as
proven, and from what the new directory is built, is decided in `engine.salvage_plan`; its modules
`salvage_index` and `salvage_log` say what can be trusted of a damaged index and log. In short: the
new directory holds a state that really existed, the one after the last log record without a hole
before it, minus the keys whose values or index blocks cannot be read, which are named.

The new directory is built under the name `TARGET.partial`, and gets its own when it is complete and
durable: an interrupted salvage leaves nothing that a server would open by mistake.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

import msgspec

from kiwi_engine.engine import inspect_index
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.inspect_owner import owner_of
from kiwi_engine.engine.inspect_progress import Progress
from kiwi_engine.engine.inspect_report import FINDINGS_MAX, Findings
from kiwi_engine.engine.layout import Paths, check_layout, read_layout
from kiwi_engine.engine.salvage_index import Gap, IndexDamage, open_index, surviving_entries
from kiwi_engine.engine.salvage_log import SurvivingLog
from kiwi_engine.engine.salvage_plan import (
    IndexCondition,
    Plan,
    SalvageFacts,
    healing_start,
    plan_salvage,
)
from kiwi_engine.engine.salvage_report import (
    LOST_NAME,
    REPORT_NAME,
    KeyRules,
    LostKey,
    LostRange,
    RecordsBehind,
    SalvageReport,
    Verdict,
)
from kiwi_engine.engine.salvage_target import SETTINGS, SalvageTarget
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.errors import CorruptionError, LockedError, SalvageRefusedError
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.segment_format import Corruption, TornTail
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.vlog.reader import ValueLogReader

PARTIAL_SUFFIX: Final = ".partial"
# Entries between two reports of progress.
_STEP: Final = 256
_NOTHING_BEHIND: Final = RecordsBehind(0, 0, 0)


class SalvageTargetError(ValueError):
    """The new directory cannot be made where it is wanted; nothing was touched."""


def salvage_directory(
    fs: FileSystem,
    source: str,
    target: str,
    rules: KeyRules,
    progress: Progress,
    settings: EngineSettings = SETTINGS,
) -> SalvageReport:
    """Build `target`, which must not exist or be empty, from `source`; the report on both.

    Raises `NotADirectoryError` unless `source` is a data directory, `SalvageTargetError`,
    `LockedError`, `LayoutError` (another format version), `SalvageRefusedError` (nothing of it is
    proven), and what writing the new directory raises.
    """
    paths = Paths(source)
    _refuse_no_source(fs, paths)
    _refuse_owned(source)
    target = check_target(source, target)
    salvage = _Salvage(fs, paths, target, rules, progress)
    try:
        report = salvage.run(settings)
    finally:
        salvage.close()
    _refuse_owned(source)
    fs.rename(target + PARTIAL_SUFFIX, target)
    fs.sync_directory(os.path.dirname(target))
    return report


def check_target(source: str, target: str) -> str:
    """The absolute path of a new directory that may be made; `SalvageTargetError` if it may not."""
    path, old = os.path.realpath(target), os.path.realpath(source)
    if os.path.commonpath((path, old)) in (path, old):
        raise SalvageTargetError(f"{target} and {source} lie in one another")
    if os.path.lexists(path) and not (os.path.isdir(path) and not os.listdir(path)):
        raise SalvageTargetError(f"{target} exists and is not an empty directory")
    if os.path.ismount(path):
        raise SalvageTargetError(f"{target} is a mount point: name a directory inside it")
    if not os.path.isdir(os.path.dirname(path)):
        raise SalvageTargetError(f"{os.path.dirname(path)} is not a directory")
    if os.path.lexists(path + PARTIAL_SUFFIX):
        reason = "is left of a salvage that did not finish; remove it first"
        raise SalvageTargetError(f"{path + PARTIAL_SUFFIX} {reason}")
    return path


def _refuse_no_source(fs: FileSystem, paths: Paths) -> None:
    parts = (paths.layout, paths.wal, paths.values, paths.index)
    if not any(fs.exists(part) for part in parts):
        raise NotADirectoryError(f"{paths.root} is not a Kiwi Engine data directory")


def _refuse_owned(source: str) -> None:
    owner = owner_of(source)
    if owner is not None:
        raise LockedError(f"{source} is in use by process {owner}: stop it, or salvage a copy")


class _Salvage:
    """One run; its steps share what was found."""

    def __init__(
        self, fs: FileSystem, paths: Paths, target: str, rules: KeyRules, progress: Progress
    ) -> None:
        self._fs = fs
        self._paths = paths
        self._target = target
        self._rules = rules
        self._progress = progress
        self._findings = Findings()
        self._gaps: list[Gap] = []
        self._applied_lsn: int | None = None
        self._values = ValueLogReader(fs, paths.values)
        self._index: RocksIndex | None = None
        self._records = 0

    def run(self, settings: EngineSettings) -> SalvageReport:
        """Build the partial directory and put the report, which it also holds, together."""
        self._read_layout()
        condition = self._open_index()
        self._log = SurvivingLog(self._fs, self._paths.wal, self._progress)
        plan = self._plan(condition)
        if plan.refusal:
            raise SalvageRefusedError(plan.refusal)
        if plan.uses_index:
            self._refuse_without_essentials(plan)
        partial = self._target + PARTIAL_SUFFIX
        engine = Engine.open(
            partial, settings, self._rules.tally, lambda replies, failure: None, self._fs
        )
        try:
            target = SalvageTarget(engine, self._values, self._paths.values)
            plan = self._fill(target, plan)
            lost = self._write_lost(target, partial, plan)
            stored_keys = self._rules.key_count(target.finish())
            target.close()
        finally:
            engine.close()
        report = self._report(plan, lost, stored_keys)
        content = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
        self._write_file(f"{partial}/{REPORT_NAME}", (content,))
        self._fs.sync_directory(partial)
        return report

    def close(self) -> None:
        """Let go of the old directory."""
        self._values.close()
        if self._index is not None:
            self._index.close()

    # ---- what there is

    def _read_layout(self) -> None:
        """The segments name their own versions, so a damaged layout file loses nothing."""
        try:
            layout = read_layout(self._fs, self._paths)
        except CorruptionError as damage:
            self._note(damage.path, damage.offset, f"{damage.reason}; written anew")
            return
        if layout is None:
            self._note(self._paths.layout, 0, "the layout file is missing; written anew")
        else:
            check_layout(layout, self._paths.layout)

    def _open_index(self) -> IndexCondition:
        try:
            self._index = open_index(self._paths.index)
        except IndexDamage as damage:
            self._note(self._paths.index, 0, f"the index cannot be opened: {damage.reason}")
            return "unusable"
        if self._index is None:
            return "absent"
        try:
            self._applied_lsn = inspect_index.read_state(self._index).applied_lsn
        except IndexDamage as damage:
            self._note(self._paths.index, 0, f"its state cannot be read: {damage.reason}")
        return "usable"

    def _plan(self, condition: IndexCondition) -> Plan:
        unbroken = self._applied_lsn is not None or self._log.is_unbroken()
        facts = SalvageFacts(condition, self._applied_lsn, self._log.first_lsn, unbroken)
        return plan_salvage(facts)

    def _refuse_without_essentials(self, plan: Plan) -> None:
        """Refuse an index without the keys that give the others their meaning.

        A point read finds a key although a table that cannot hold it (its Bloom filter says so) is
        damaged there. What it cannot tell, the log may.
        """
        doubtful = {key for key in self._rules.essential if not self._is_known(key)}
        if not doubtful:
            return
        from_lsn = self._healing_start(plan)
        if from_lsn == 1:
            return
        for _, changes in self._log.records(from_lsn):
            doubtful.difference_update(changes.entries)
        if doubtful:
            names = ", ".join(map(self._rules.describe, sorted(doubtful)))
            raise SalvageRefusedError(f"without it no key can be understood, and it is lost: {names}")

    def _is_known(self, key: bytes) -> bool:
        assert self._index is not None
        try:
            self._index.get(key)
        except IndexDamage:
            return False
        return True

    # ---- filling the new directory

    def _fill(self, target: SalvageTarget, plan: Plan) -> Plan:
        """The plan as carried out: it may replay more where the index has gaps."""
        if plan.uses_index:
            self._copy_index(target)
        if self._gaps:
            plan = plan._replace(replay_from_lsn=self._healing_start(plan))
        for _, changes in self._log.records(plan.replay_from_lsn):
            self._records += 1
            target.apply(changes)
        if self._gaps:
            target.derive(self._rules.derived)
        return plan

    def _copy_index(self, target: SalvageTarget) -> None:
        assert self._index is not None
        self._progress.start("index", self._index.facts().estimated_keys)
        for count, (key, stored) in enumerate(surviving_entries(self._index, self._gaps)):
            target.add_stored(key, stored)
            if count % _STEP == 0:
                self._progress.reach(count)
        if self._gaps:
            # A point read may know them all the same; see `_refuse_without_essentials`.
            for key in filter(self._is_known, self._rules.essential):
                found = self._index.get(key)
                if found is not None:
                    target.add_stored(key, found)

    def _healing_start(self, plan: Plan) -> int:
        if self._applied_lsn is None:
            return plan.replay_from_lsn
        first_lsn = self._log.first_lsn
        reaches_lsn = self._log.read_through(first_lsn) if first_lsn else 0
        return healing_start(self._applied_lsn, first_lsn, reaches_lsn)

    # ---- the report

    def _write_lost(
        self, target: SalvageTarget, partial: str, plan: Plan
    ) -> tuple[list[LostKey], int]:
        """Write the complete list of what is lost; returns the first lost keys, and how many."""
        ranges = [] if plan.replay_from_lsn == 1 else self._lost_ranges()
        kept: list[LostKey] = []
        count = 0

        def lines() -> Iterable[bytes]:
            nonlocal count
            for one in ranges:
                yield msgspec.json.encode(one) + b"\n"
            for lost in target.lost_keys(self._rules.describe):
                if bytes.fromhex(lost.key) in self._rules.essential:
                    raise SalvageRefusedError(f"its value is lost: {lost.meaning}: {lost.reason}")
                count += 1
                if len(kept) < FINDINGS_MAX:
                    kept.append(lost)
                yield msgspec.json.encode(lost) + b"\n"

        self._write_file(f"{partial}/{LOST_NAME}", lines())
        return kept, count

    def _lost_ranges(self) -> list[LostRange]:
        return [_lost_range(gap, self._rules) for gap in self._gaps]

    def _write_file(self, path: str, pieces: Iterable[bytes]) -> None:
        file = self._fs.create(path)
        try:
            offset = 0
            for piece in pieces:
                offset += file.pwritev((piece,), offset)
            file.datasync()
        finally:
            file.close()

    def _report(
        self, plan: Plan, lost: tuple[list[LostKey], int], stored_keys: int
    ) -> SalvageReport:
        is_healed = plan.replay_from_lsn == 1
        for gap in self._gaps if is_healed else ():
            self._note(gap.path, gap.offset, f"made good from the log: {gap.reason}")
        for skipped in self._log.skipped:
            self._note(skipped.path, skipped.offset, f"not needed: {skipped.reason}")
        behind = _NOTHING_BEHIND
        ending = self._log.ending
        if isinstance(ending, Corruption):
            self._findings.add("corruption", *ending)
            behind = self._log.records_behind()
        elif isinstance(ending, TornTail):
            self._findings.add("torn tail", *ending)
        ranges = [] if is_healed else self._lost_ranges()
        return SalvageReport(
            source=self._paths.root,
            target=self._target,
            verdict=self._verdict(is_lossy=bool(lost[1] or ranges)),
            index_used=plan.uses_index,
            applied_lsn=self._applied_lsn,
            replayed_from_lsn=plan.replay_from_lsn,
            records_replayed=self._records,
            last_lsn=max(self._log.last_lsn, self._applied_lsn or 0),
            stored_keys=stored_keys,
            records_behind=behind,
            lost_key_count=lost[1],
            lost_keys=tuple(lost[0]),
            lost_range_count=len(ranges),
            lost_ranges=tuple(ranges[:FINDINGS_MAX]),
            findings=self._findings.all(),
            findings_left_out=self._findings.left_out,
        )

    def _verdict(self, *, is_lossy: bool) -> Verdict:
        if is_lossy or isinstance(self._log.ending, Corruption):
            return "incomplete"
        return "torn tail" if isinstance(self._log.ending, TornTail) else "complete"

    def _note(self, path: str, offset: int, reason: str) -> None:
        self._findings.add("note", path, offset, reason)


def _lost_range(gap: Gap, rules: KeyRules) -> LostRange:
    end = "the last key" if gap.end is None else rules.describe(gap.end)
    return LostRange(
        first=gap.first.hex(),
        end=None if gap.end is None else gap.end.hex(),
        meaning=f"from {rules.describe(gap.first)} to before {end}",
        path=gap.path,
        offset=gap.offset,
        reason=gap.reason,
    )
