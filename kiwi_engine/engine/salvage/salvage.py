"""Building a new data directory from what is provably good in a damaged one (shell).

The old directory is only read, and not locked; one that a process uses is refused. What counts as
proven, and from what the new directory is built, is decided in `engine.salvage.plan`;
`salvage.index` and `salvage.log` say what can be trusted of a damaged index and log. In short: the
new directory holds the state after the last log record without a hole before it, minus the keys
whose values or index blocks cannot be read, which are named.

The new directory is built under the name `TARGET.partial`, and gets its own when it is complete and
durable; if that fails, it is removed. So nothing half done is ever taken for a salvaged directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec

from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.inspection.progress import Progress
from kiwi_engine.engine.inspection.report import FINDINGS_MAX
from kiwi_engine.engine.layout import Paths
from kiwi_engine.engine.salvage.index import Gap
from kiwi_engine.engine.salvage.place import (
    check_source,
    check_target,
    discard_partial,
    partial_of,
    refuse_owned,
)
from kiwi_engine.engine.salvage.report import (
    LOST_NAME,
    REPORT_NAME,
    KeyRules,
    LostElements,
    LostKey,
    LostRange,
    RecordsBehind,
    SalvageReport,
    Verdict,
)
from kiwi_engine.engine.salvage.source import SalvageSource
from kiwi_engine.engine.salvage.target import SETTINGS, SalvageTarget
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.errors import SalvageRefusedError
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.segment_format import Corruption, Ending, TornTail


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
    check_source(fs, paths)
    refuse_owned(source)
    path = check_target(source, target)
    opened = SalvageSource(fs, paths, rules, progress)
    try:
        salvage = _Salvage(fs, opened, path, rules)
        engine = salvage.open_engine(settings)
        try:
            report = salvage.run(engine)
            # A server that was started meanwhile may have changed what was being read.
            refuse_owned(source)
            fs.rename(partial_of(path), path)
        except BaseException:
            discard_partial(path)
            raise
    finally:
        opened.close()
    fs.sync_directory(os.path.dirname(path))
    return report


class _Salvage:
    """One run; its steps share what was found."""

    def __init__(self, fs: FileSystem, source: SalvageSource, target: str, rules: KeyRules) -> None:
        self._fs = fs
        self._source = source
        self._log = source.log
        self._target = target
        self._partial = partial_of(target)
        self._rules = rules
        self._plan = source.plan()
        self._records = 0
        self._stored_keys = 0
        self._lost_keys: list[LostKey] = []
        self._lost_key_count = 0
        self._mended: list[LostElements] = []
        self._mended_count = 0
        self._ending: Ending = source.log.ending

    def open_engine(self, settings: EngineSettings) -> Engine:
        """The engine of the partial directory, which is now there and locked."""
        return Engine.open(
            self._partial, settings, self._rules.tally, lambda replies, failure: None, self._fs
        )

    def run(self, engine: Engine) -> SalvageReport:
        """Fill and close the partial directory; the report, which it gets, too."""
        try:
            target = SalvageTarget(engine, self._source.values, self._source.paths.values)
            self._fill(target)
            self._write_lost(target)
            counters = target.finish()
            self._stored_keys = self._rules.key_count(counters, engine.store.get)
            target.close()
        finally:
            engine.close()
        report = self._report()
        content = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
        self._write_file(f"{self._partial}/{REPORT_NAME}", (content,))
        self._fs.sync_directory(self._partial)
        return report

    def _fill(self, target: SalvageTarget) -> None:
        source = self._source
        if self._plan.uses_index:
            for key, stored in source.entries():
                target.add_stored(key, stored)
        if source.gaps:
            self._plan = source.healed(self._plan)
        for _, changes in self._log.records(self._plan.replay_from_lsn):
            self._records += 1
            target.apply(changes)
        if self._lost_gaps():
            target.derive(self._rules.derived)

    def _lost_gaps(self) -> list[Gap]:
        return [] if self._source.has_all_history(self._plan) else self._source.gaps

    def _write_lost(self, target: SalvageTarget) -> None:
        """Mend what has lost a part, and write the complete list of what is lost, if anything is.

        The list may be long, so it is not held in memory; what is mended comes first, because it
        is written while the lost keys are not.
        """
        if self._lost_gaps() or target.has_lost:
            lines = chain(self._mended_lines(target), self._lost_lines(target))
            self._write_file(f"{self._partial}/{LOST_NAME}", lines)

    def _mended_lines(self, target: SalvageTarget) -> Iterator[bytes]:
        for mended in target.mend(self._rules.mend):
            self._mended_count += 1
            if len(self._mended) < FINDINGS_MAX:
                self._mended.append(mended)
            yield msgspec.json.encode(mended) + b"\n"

    def _lost_lines(self, target: SalvageTarget) -> Iterator[bytes]:
        for gap in self._lost_gaps():
            yield msgspec.json.encode(self._lost_range(gap)) + b"\n"
        for lost in target.lost_keys(self._rules.describe):
            if bytes.fromhex(lost.key) in self._rules.essential:
                reason = f"no key can be understood without what is lost: {lost.meaning}"
                raise SalvageRefusedError(f"{reason}: {lost.path}: {lost.reason}")
            self._lost_key_count += 1
            if len(self._lost_keys) < FINDINGS_MAX:
                self._lost_keys.append(lost)
            yield msgspec.json.encode(lost) + b"\n"

    def _write_file(self, path: str, pieces: Iterable[bytes]) -> None:
        file = self._fs.create(path)
        try:
            offset = 0
            for piece in pieces:
                offset += file.pwritev((piece,), offset)
            file.datasync()
        finally:
            file.close()

    # ---- the report

    def _report(self) -> SalvageReport:
        source, log = self._source, self._log
        self._ending = source.log_ending()
        behind = self._judge_log()
        gaps = self._lost_gaps()
        if not gaps:
            for gap in source.gaps:
                source.note(gap.path, gap.offset, f"made good from the log: {gap.reason}")
        return SalvageReport(
            source=source.paths.root,
            target=self._target,
            verdict=self._verdict(),
            index_used=self._plan.uses_index,
            applied_lsn=source.applied_lsn,
            replayed_from_lsn=self._plan.replay_from_lsn,
            records_replayed=self._records,
            last_lsn=max(log.last_lsn, source.applied_lsn or 0),
            newer_up_to_lsn=self._newer_up_to_lsn(),
            stored_keys=self._stored_keys,
            records_behind=behind,
            lost_key_count=self._lost_key_count,
            lost_keys=tuple(self._lost_keys),
            lost_range_count=len(gaps),
            lost_ranges=tuple(map(self._lost_range, gaps[:FINDINGS_MAX])),
            mended_count=self._mended_count,
            mended=tuple(self._mended),
            findings=source.findings.all(),
            findings_left_out=source.findings.left_out,
        )

    def _judge_log(self) -> RecordsBehind:
        """Note how the log ends; what lies behind the end."""
        ending, source = self._ending, self._source
        for skipped in self._log.skipped:
            source.note(skipped.path, skipped.offset, f"not needed: {skipped.reason}")
        if isinstance(ending, TornTail):
            source.findings.add("torn tail", *ending)
        if not isinstance(ending, Corruption):
            return RecordsBehind(0, 0, 0)
        source.findings.add("corruption", *ending)
        if newer_lsn := self._newer_up_to_lsn():
            reason = f"it holds changes of lost records up to LSN {newer_lsn}, not all of them"
            source.note(source.paths.index, 0, reason)
        return self._log.records_behind()

    def _newer_up_to_lsn(self) -> int:
        """0 if the new directory holds nothing that is newer than the state after its last LSN."""
        reached_lsn = self._source.reached_lsn if self._plan.uses_index else 0
        return reached_lsn if reached_lsn > self._log.last_lsn else 0

    def _verdict(self) -> Verdict:
        is_lossy = self._lost_gaps() or self._lost_key_count
        if is_lossy or isinstance(self._ending, Corruption):
            return "incomplete"
        return "torn tail" if isinstance(self._ending, TornTail) else "complete"

    def _lost_range(self, gap: Gap) -> LostRange:
        describe = self._rules.describe
        first = "the first key" if not gap.first else describe(gap.first)
        end = "the last key" if gap.end is None else f"before {describe(gap.end)}"
        return LostRange(
            first=gap.first.hex(),
            end=None if gap.end is None else gap.end.hex(),
            meaning=f"from {first} to {end}",
            path=gap.path,
            offset=gap.offset,
            reason=gap.reason,
        )
