"""The damaged directory of a salvage, opened as far as that is possible (shell; reads only)."""

from __future__ import annotations

from collections.abc import Iterator

from kiwi_engine.engine.inspection import index as inspect_index
from kiwi_engine.engine.inspection.progress import Progress
from kiwi_engine.engine.inspection.report import Findings
from kiwi_engine.engine.layout import Paths, check_layout, read_layout
from kiwi_engine.engine.salvage.index import Gap, IndexDamage, open_index, surviving_entries
from kiwi_engine.engine.salvage.log import SurvivingLog
from kiwi_engine.engine.salvage.plan import (
    IndexCondition,
    Plan,
    SalvageFacts,
    healing_start,
    plan_salvage,
)
from kiwi_engine.engine.salvage.report import KeyRules
from kiwi_engine.errors import CorruptionError, SalvageRefusedError
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.segment_format import Corruption, Ending
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.vlog.reader import ValueLogReader

# Entries between two reports of progress.
_STEP = 256


class SalvageSource:
    """What there is, and what to make of it.

    `findings` collects what was met on the way; `gaps`, once `entries` is exhausted, the ranges of
    keys that the index could not give.
    """

    def __init__(self, fs: FileSystem, paths: Paths, rules: KeyRules, progress: Progress) -> None:
        """`LayoutError` where another format version wrote the directory."""
        self._fs = fs
        self._rules = rules
        self._progress = progress
        self.paths = paths
        self.findings = Findings()
        self.gaps: list[Gap] = []
        self.applied_lsn: int | None = None
        self.reached_lsn = 0
        self._index: RocksIndex | None = None
        self._read_layout()
        self._condition = self._open_index()
        self.values = ValueLogReader(fs, paths.values)
        try:
            self.log = SurvivingLog(fs, paths.wal, progress)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the files."""
        self.values.close()
        if self._index is not None:
            self._index.close()

    def plan(self) -> Plan:
        """What to build from; `SalvageRefusedError` if nothing can be proven."""
        # Reading all of the log is only worth while where it decides something.
        is_exact = self.applied_lsn is not None and self.applied_lsn == self.reached_lsn
        unbroken = is_exact or self.log.is_unbroken()
        facts = SalvageFacts(
            index_is=self._condition,
            applied_lsn=self.applied_lsn,
            reached_lsn=self.reached_lsn,
            first_lsn=self.log.first_lsn,
            intact_lsn=self.log.last_lsn,
            unbroken=unbroken,
        )
        plan = plan_salvage(facts)
        if plan.refusal:
            raise SalvageRefusedError(plan.refusal)
        return self._with_essentials(plan) if plan.uses_index else plan

    def healed(self, plan: Plan) -> Plan:
        """The plan for an index with gaps: it replays as much of the log as may fill them."""
        if self.applied_lsn is None:
            return plan
        first_lsn = self.log.first_lsn
        reaches_lsn = self.log.read_through(first_lsn) if first_lsn else 0
        from_lsn = healing_start(self.applied_lsn, first_lsn, reaches_lsn)
        return plan._replace(replay_from_lsn=from_lsn)

    def log_ending(self) -> Ending:
        """How the log, which was read, ends; that it ends before the index does is damage, too."""
        ending, end_lsn = self.log.ending, self.log.end_lsn or self.applied_lsn or 0
        if end_lsn >= self.reached_lsn or isinstance(ending, Corruption):
            return ending
        reason = (
            f"the end of the log is missing: it ends at {end_lsn}, "
            f"and the index holds records up to {self.reached_lsn}"
        )
        return Corruption(self.paths.wal, 0, reason)

    def has_all_history(self, plan: Plan) -> bool:
        """Whether the replay brings every key, whatever the index lacks."""
        return plan.replay_from_lsn == 1 and self.log.first_lsn == 1

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """All that the index gives, and the essential keys again where they lie in a gap."""
        assert self._index is not None, "the plan uses the index"
        self._progress.start("index", self._index.facts().estimated_keys)
        for count, row in enumerate(surviving_entries(self._index, self.gaps)):
            yield row
            if count % _STEP == 0:
                self._progress.reach(count)
        if self.gaps:
            for key in filter(self._is_known, self._rules.essential):
                stored = self._index.get(key)
                if stored is not None:
                    yield key, stored

    def note(self, path: str, offset: int, reason: str) -> None:
        """Something worth saying that loses nothing by itself."""
        self.findings.add("note", path, offset, reason)

    def _read_layout(self) -> None:
        """The segments name their own versions, so a damaged layout file loses nothing."""
        path = self.paths.layout
        try:
            layout = read_layout(self._fs, self.paths)
        except CorruptionError as damage:
            self.note(path, damage.offset, f"{damage.reason}; the new directory has its own")
            return
        if layout is None:
            self.note(path, 0, "the layout file is missing; the new directory has its own")
        else:
            check_layout(layout, path)

    def _open_index(self) -> IndexCondition:
        path = self.paths.index
        try:
            self._index = open_index(path)
        except IndexDamage as damage:
            self.note(path, 0, f"the index cannot be opened: {damage.reason}")
            return "unusable"
        if self._index is None:
            return "absent"
        try:
            state = inspect_index.read_state(self._index)
            self.applied_lsn = state.applied_lsn
            self.reached_lsn = max(state.reached_lsn, state.applied_lsn)
        except IndexDamage as damage:
            self.note(path, 0, f"how far the index goes cannot be read: {damage.reason}")
        return "usable"

    def _with_essentials(self, plan: Plan) -> Plan:
        """Refuse an index without the keys that give the others their meaning.

        A point read finds a key although a table that cannot hold it (its Bloom filter says so) is
        damaged there. What it cannot tell, the log may.
        """
        doubtful = {key for key in self._rules.essential if not self._is_known(key)}
        if not doubtful:
            return plan
        plan = self.healed(plan)
        if not self.has_all_history(plan):
            for _, changes in self.log.records(plan.replay_from_lsn):
                doubtful.difference_update(changes.entries)
            if doubtful:
                names = ", ".join(map(self._rules.describe, sorted(doubtful)))
                raise SalvageRefusedError(f"no key can be understood without what is lost: {names}")
        return plan

    def _is_known(self, key: bytes) -> bool:
        assert self._index is not None, "asked only about an index that is used"
        try:
            self._index.get(key)
        except IndexDamage:
            return False
        return True
