"""Crashes under commands of every family, on the whole stack above the disk.

Beside the engine a store in memory executes the same commands, some of them together in
transactions and scripts; their replies must be the same, and after each crash the engine must hold,
byte for byte, what that store held after one of these units from the last acknowledged one on. So a
unit is there as a whole or not at all, whatever it writes: elements, two orders, counts, registry,
deadlines. Reclaiming goes on meanwhile, on our side alone; what no root names is not compared.
"""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from kiwi_engine.commands.executor import Executor
from kiwi_engine.commands.registry import lookup
from kiwi_engine.commit.group import PendingReply
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.encoding import (
    HASH_KIND,
    META_DEAD,
    REGISTRY,
    data_key,
    deadline_of,
    kind_of,
    namespace_prefix,
    parse_dead_key,
    parse_expiry_key,
    tally,
)
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.keyspace.spread.roots import field_deadline_of, version_of
from kiwi_engine.keyspace.spread.versions import TABLES
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.memory_index import MemoryIndex
from kiwi_engine.testing.memory_store import MemoryStore
from tests.differential.families import FAMILIES
from tests.engine.model import tiny_settings
from tests.engine.stepped import SteppedJobs, SteppedPipeline, open_stepped, tiny_steps
from tests.engine.watched_index import WatchedIndex
from tests.sweeps.judged import Judged, judging

NOW_MS: Final = 1_800_000_000_000
# Sorts behind everything of the keyspace; every request writes its number there.
NUMBER: Final = b"~number"
EVERYTHING: Final = (b"\x01", b"\xff")
POWER: Final = (0.0, 0.3, 1.0)
_VERSIONED: Final = frozenset({REGISTRY[0], *(t[0] for tables in TABLES.values() for t in tables)})
# What they answer depends on the moment.
_NOT_COMPARED: Final = frozenset((b"object", b"time", b"xinfo", b"xpending", b"memory"))

# Units below the first share are one command, those below the second a transaction.
_SINGLE_SHARE: Final = 0.7
_TRANSACTION_SHARE: Final = 0.9
# KEYS are the lengths of the commands whose words are ARGV.
_SCRIPT: Final = b"""
local at = 1
for _, length in ipairs(KEYS) do
  redis.pcall(unpack(ARGV, at, at + length - 1))
  at = at + length
end
"""

State = dict[bytes, bytes]
Words = list[bytes]


def visible(entries: State) -> State:
    """Without what belongs to flushed databases, to versions that no root names, and to deadlines
    that no key has.
    """
    dead = {parse_dead_key(key) for key in entries if key.startswith(META_DEAD)}
    roots = {
        key: value
        for key, value in entries.items()
        if key[:1] == b"d" and int.from_bytes(key[1:5], "big") not in dead
    }
    living = {version_of(value) for value in roots.values()}
    kept = dict(roots)
    for key, value in entries.items():
        if key[0] in _VERSIONED:
            is_kept = int.from_bytes(key[1:9], "big") in living
        elif key[:1] in (b"x", b"y"):
            is_kept = is_current(key, roots)
        else:
            is_kept = key[:1] != b"d" and not key.startswith(META_DEAD)
        if is_kept:
            kept[key] = value
    return kept


def is_current(key: bytes, roots: State) -> bool:
    """Whether an entry of one of the deadline indexes is not stale."""
    entry = parse_expiry_key(key)
    root = roots.get(data_key(namespace_prefix(entry.namespace), entry.key))
    if root is None:
        return False
    if key[:1] == b"x":
        return deadline_of(root) == entry.deadline_ms
    return kind_of(root) == HASH_KIND and field_deadline_of(root) == entry.deadline_ms


def differing(found: State, wanted: State) -> dict[bytes, tuple[bytes | None, bytes | None]]:
    """(found, wanted) of the keys where they are not the same."""
    return {
        key: (found.get(key), wanted.get(key))
        for key in found.keys() | wanted.keys()
        if found.get(key) != wanted.get(key)
    }


def contents(store: Store) -> State:
    return dict(store.scan(*EVERYTHING))


class Commands:
    """A keyspace with tiny limits, that executes one command after the other."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.keyspace = Keyspace(store, 2, seed=1)
        limits = self.keyspace.limits
        limits.packed_max_entries, limits.packed_max_bytes, limits.paged_min_bytes = 2, 60, 12
        self.keyspace.ranks.node_entries_min = 2
        self.executor = Executor(self.keyspace)

    def execute(self, unit: list[Words]) -> list[bytes]:
        """The replies of one command, or of the commands of a transaction."""
        commands = [list(words) for words in unit]
        if len(unit) == 1:
            replies = self.executor.execute(0, False, commands, NOW_MS)
        else:
            found = self.executor.transact(0, False, commands, NOW_MS)
            assert found is not None, "nothing is watched"
            replies = found
        self.executor.account()
        return replies


class CommandSweep:
    """One seeded run of several lives of a directory. `judged` counts the states judged."""

    def __init__(self, seed: int, every: int) -> None:
        self.random = Random(seed)
        self.every = every
        self.judged = Judged()
        self.settings: EngineSettings = msgspec.structs.replace(
            tiny_settings(self.random), sync_mode="always", drain_entries_max=12
        )
        # What the directory may hold, by the number of the last request.
        self.states: dict[int, State] = {0: {}}
        self.acknowledged = 0
        self.number = 0
        self._operations = 0
        self._fs = CrashFs(sector_bytes=self.random.choice([8, 32, 64]))
        self._index = MemoryIndex()
        self._family = self.random.choice(FAMILIES)

    def run(self, lives: int, steps: int) -> None:
        with tiny_steps():
            for _ in range(lives):
                self._live(steps)

    def _live(self, steps: int) -> None:
        self._fs.watch = self._before
        self._index = WatchedIndex(self._fs, self._index.durable)
        life = _Life(self, self._fs, self._index)
        for _ in range(steps):
            life.step()
        self._fs.watch = None
        keep = self.random.choice(POWER)
        self._fs, self._index = self._cut(keep)
        found = self._recover(self._fs.restart(), self._index.crash())
        self.number = self.acknowledged = found
        self.states = {found: self.states[found]}

    def next_unit(self) -> list[Words]:
        """What is there as a whole or not at all: a command, or those of a transaction or script.

        A script calls its commands one after the other, whatever becomes of them.
        """
        kind = self.random.random()
        if kind < _SINGLE_SHARE:
            return [self._next_command()]
        commands = [self._next_command() for _ in range(self.random.randint(2, 4))]
        if kind < _TRANSACTION_SHARE:
            return commands
        lengths = [b"%d" % len(words) for words in commands]
        words = [word for command in commands for word in command]
        return [[b"EVAL", _SCRIPT, b"%d" % len(commands), *lengths, *words]]

    def _next_command(self) -> Words:
        """Mostly of one family, because its commands have to meet each other's keys."""
        if self.random.random() < 0.02:
            self._family = self.random.choice(FAMILIES)
        commands = self._family.grammar.draw(self.random)
        words = list(commands[0])
        row = lookup(words[0]) if words else None
        is_ours = row is not None and row.where == "storage" and row.name != "debug"
        return words if is_ours else [b"flushall"]

    def _before(self, operation: object) -> None:
        """In front of each operation of the life that goes on."""
        self._operations += 1
        if self._operations % self.every:
            return
        with judging():
            for keep in (*POWER, None):
                fs, index = self._cut(keep)
                if self.judged.is_new(fs.fingerprint(), index.fingerprint(), self.acknowledged):
                    self._recover(fs, index)

    def _cut(self, keep: float | None) -> tuple[CrashFs, MemoryIndex]:
        """Copies of disk and index as a crash would leave them; None: only the process died."""
        random, unflushed = self.random, self._index.unflushed_batches
        index = self._index.crash(random.choice([0, unflushed, random.randint(0, unflushed)]))
        if keep is None:
            return self._fs.restart(), index
        return self._fs.crash(random.getrandbits(32), keep, torn=random.random() < 0.5), index

    def _recover(self, fs: CrashFs, index: MemoryIndex) -> int:
        """Open what a crash left and judge it; after which request it is."""
        engine = open_stepped(fs, index, self.settings, tally, lambda replies, failure: None)
        found = int(engine.store.get(NUMBER) or b"0")
        assert self.acknowledged <= found <= self.number, f"{found} of {self.acknowledged}"
        difference = differing(visible(contents(engine.store)), visible(self.states[found]))
        assert not difference, f"after request {found}: {difference}"
        return found


class _Life:
    """One opening of the engine, with the store in memory beside it."""

    def __init__(self, sweep: CommandSweep, fs: CrashFs, index: MemoryIndex) -> None:
        self._sweep = sweep
        self._random = sweep.random
        self._engine = open_stepped(fs, index, sweep.settings, tally, self._deliver)
        self._engine.configure(msgspec.structs.replace(sweep.settings, pending_bytes_max=1 << 30))
        self._ours = Commands(self._engine.store)
        self._memory = MemoryStore(tally)
        # Reclaiming, here alone, may have given back what the other still has.
        self._memory.restore(contents(self._engine.store))
        self._model = Commands(self._memory)
        sweep.states[sweep.number] = self._memory.snapshot()

    def step(self) -> None:
        """One thing happens, in any thread."""
        choice = self._random.random()
        if choice < 0.5:
            self._request()
        elif choice < 0.6:
            self._reclaim()
        elif choice < 0.75:
            pipeline = self._engine.pipeline
            assert isinstance(pipeline, SteppedPipeline)
            pipeline.step()
        elif choice < 0.88:
            self._engine.maintain()
        else:
            jobs: object = self._engine.housekeeping.jobs
            assert isinstance(jobs, SteppedJobs)
            jobs.run_one()

    def _request(self) -> None:
        sweep, engine = self._sweep, self._engine
        unit = sweep.next_unit()
        engine.begin()
        sweep.number += 1
        number = b"%d" % sweep.number
        replies = zip(unit, self._ours.execute(unit), self._model.execute(unit), strict=True)
        for words, ours, model in replies:
            if words[0].lower() not in _NOT_COMPARED:
                assert ours == model, f"{words}: {ours!r} instead of {model!r}"
        for store in (engine.store, self._memory):
            store.put(NUMBER, number)
        sweep.states[sweep.number] = self._memory.snapshot()
        engine.answer(sweep.number, b"", 1)
        engine.end()

    def _reclaim(self) -> None:
        self._engine.begin()
        self._ours.keyspace.reclaim(3)
        self._engine.end()

    def _deliver(self, replies: list[PendingReply], error: ReplyError | None) -> None:
        assert error is None, error
        newest = max((run for run, _, _ in replies), default=0)
        self._sweep.acknowledged = max(self._sweep.acknowledged, newest)
