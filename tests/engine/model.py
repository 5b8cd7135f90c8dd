"""What an engine must hold, kept beside it in dicts, and everything that is checked against it.

Every request writes its own number under `NUMBER`, so what a crash left tells by itself after which
request it is: the state must be exactly the model's state after that one.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Final, Literal

import msgspec

from kiwi_engine.commit.group import PendingReply
from kiwi_engine.commit.policy import BatchLimits
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.settings import CollectionSettings, EngineSettings
from kiwi_engine.engine.store import Store
from kiwi_engine.engine.store_protocol import Unknown
from kiwi_engine.errors import ReplyError
from kiwi_engine.fs.segment_format import HEADER_BYTES
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.memory_index import MemoryIndex
from kiwi_engine.vlog.collection import CollectionLimits
from kiwi_engine.vlog.format import VLOG, decode_pointer
from kiwi_engine.vlog.separated import HEAD_BYTES, Separated
from tests.engine.stepped import SteppedJobs, SteppedPipeline, open_stepped

NUMBER: Final = b"zz"
KEYS: Final = tuple(b"%c%d" % (letter, digit) for letter in b"abc" for digit in range(4))
ALL_KEYS: Final = b"keys"
EVERYTHING: Final = (b"a", b"\xff")
# Of values; those of 16 bytes and more go into the value log.
SIZES: Final = (0, 1, 10, 15, 16, 17, 40, 90)

# What it does, then key and value of a put, the key of a deletion, or both ends of a range.
Change = tuple[Literal["put", "delete", "range"], bytes, bytes]
State = dict[bytes, bytes]


class LostError(AssertionError):
    """A promise was broken; the message says which."""


def tally(key: bytes, head: bytes) -> tuple[bytes, ...]:
    """Counts all keys, those with one first letter, and those whose value begins with that byte."""
    return ALL_KEYS, b"letter " + key[:1], b"begins " + head[:1]


def tiny_settings(random: Random) -> EngineSettings:
    """Everything happens all the time: rotation, draining, release, values in the value log."""
    return EngineSettings(
        sync_mode=random.choice(["always", "always", "everysec", "no"]),
        batch=BatchLimits(random.choice([1, 3, 5]), random.choice([60, 300]), 0),
        value_threshold=16,
        drain_entries_max=random.choice([3, 6]),
        drain_bytes_max=random.choice([400, 1600]),
        drain_interval_ns=3_600_000_000_000,
        wal_retained_bytes_max=random.choice([0, 300]),
        disk_reserve_bytes=0,
        pending_bytes_max=random.choice([400, 1 << 30, 1 << 30]),
        clean_cache_bytes=random.choice([0, 1500, 100_000]),
        wal_segment_bytes=random.choice([64, 128, 256]),
        value_segment_bytes=random.choice([100, 300]),
        collection=CollectionSettings(
            limits=CollectionLimits(random.choice([0.2, 0.7]), random.choice([0.1, 0.9])), rate=0
        ),
    )


def some_changes(random: Random, sizes: tuple[int, ...] = SIZES) -> list[Change]:
    """The writes of one request."""
    return [_some_change(random, sizes) for _ in range(random.choice([1, 1, 1, 2, 5]))]


def _some_change(random: Random, sizes: tuple[int, ...]) -> Change:
    choice = random.random()
    if choice < 0.12:
        begin, end = sorted(random.choices([*KEYS, b"d"], k=2))
        return "range", begin, end
    key = random.choice(KEYS)
    if choice < 0.3:
        return "delete", key, b""
    size = random.choice(sizes)
    return "put", key, random.randbytes(size) if random.random() < 0.7 else b"z" * size


class History(msgspec.Struct):
    """What was submitted in all lives of a directory, and what of it may not be lost.

    `acknowledged` is the last request whose reply went out, also that of a reader who saw it;
    `synced` the last that was durable then, which is less only with relaxed syncs.
    """

    states: dict[int, State] = msgspec.field(default_factory=lambda: {0: {}})
    acknowledged: int = 0
    synced: int = 0
    acknowledged_lsn: int = 0
    last: int = 0

    def copy(self) -> History:
        return msgspec.structs.replace(self, states=dict(self.states))

    def as_found(self, life: Life) -> History:
        """What is known once a crash was recovered from: less may be there than was submitted."""
        return msgspec.structs.replace(
            self.copy(),
            acknowledged=life.current,
            synced=life.current,
            acknowledged_lsn=life.engine.opened.log.next_lsn - 1,
        )


class Life:
    """One opening of the engine, up to its crash or close. `current` is the request it is after."""

    def __init__(
        self,
        fs: CrashFs,
        index: MemoryIndex,
        settings: EngineSettings,
        history: History,
    ) -> None:
        self.fs = fs
        self.index = index
        self.settings = settings
        self.history = history
        self.errors: list[ReplyError] = []
        self.engine: Engine = open_stepped(fs, index, settings, tally, self._deliver)
        # Tiny only for what recovery may hold: a full engine waits for threads it has none of.
        self.engine.configure(msgspec.structs.replace(settings, pending_bytes_max=1 << 30))
        self.engine.on_rebuilt = self._find_current
        self.current = 0
        self._find_current()

    @property
    def pipeline(self) -> SteppedPipeline:
        assert isinstance(self.engine.pipeline, SteppedPipeline)
        return self.engine.pipeline

    @property
    def jobs(self) -> SteppedJobs:
        jobs: object = self.engine.housekeeping.jobs
        assert isinstance(jobs, SteppedJobs)
        return jobs

    @property
    def state(self) -> State:
        return self.history.states[self.current]

    def request(self, changes: list[Change]) -> None:
        """One client's request; without changes it only reads."""
        engine, history = self.engine, self.history
        engine.begin()
        if changes and engine.refusal is None:
            history.last += 1
            self._apply([*changes, ("put", NUMBER, b"%d" % history.last)])
            self.current = history.last
        engine.answer(number_in(engine.store), b"", 1)
        engine.end()

    def check_reads(self, random: Random) -> None:
        """A few reads; each must be what the model holds."""
        key = random.choice(KEYS)
        expect("get", self.engine.store.get(key), self.state.get(key))
        if random.random() < 0.2:
            check_store(self.engine.store, self.state)

    def close(self) -> None:
        self.engine.close()

    def _apply(self, changes: list[Change]) -> None:
        store, state = self.engine.store, dict(self.state)
        for kind, key, value in changes:
            if kind == "put":
                store.put(key, value)
                state[key] = value
            elif kind == "delete":
                store.delete(key)
                state.pop(key, None)
            else:
                store.delete_range(key, value)
                state = {k: v for k, v in state.items() if not key <= k < value}
        self.history.states[self.history.last] = state

    def _find_current(self) -> None:
        self.current = number_in(self.engine.store)

    def _deliver(self, replies: list[PendingReply], error: ReplyError | None) -> None:
        if error is not None:
            self.errors.append(error)
            return
        history, pipeline = self.history, self.engine.pipeline
        newest = max((run for run, _, _ in replies), default=0)
        if newest > history.acknowledged:
            history.acknowledged = newest
            # Not with each group: nobody is told of values that garbage collection moves.
            history.acknowledged_lsn = max(history.acknowledged_lsn, pipeline.acknowledged_lsn)
        if pipeline.durable_lsn == pipeline.written_lsn:
            history.synced = history.acknowledged


def number_in(store: Store) -> int:
    """The request after which the store is."""
    return int(store.get(NUMBER) or b"0")


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise LostError(f"{what}: {found!r} instead of {wanted!r}")


def check_store(store: Store, state: State) -> None:
    """Every way to read a store, against a dict."""
    for key in (*KEYS, NUMBER):
        value = state.get(key)
        expect(f"get {key!r}", store.get(key), value)
        head = store.head(key)
        expect(f"head {key!r}", head and head[:HEAD_BYTES], value and value[:HEAD_BYTES])
    wanted = [(key, state[key][:HEAD_BYTES]) for key in sorted(state)]
    for reverse in (False, True):
        rows = [(k, head[:HEAD_BYTES]) for k, head in store.range(*EVERYTHING, reverse=reverse)]
        expect(f"range, reverse={reverse}", rows, wanted[::-1] if reverse else wanted)
    within = [key for key, _ in store.range(b"a2", b"c1")]
    expect("part of a range", within, [key for key in sorted(state) if b"a2" <= key < b"c1"])
    if not has_pending_ranges(store):
        counted = Counter(name for key, value in state.items() for name in tally(key, value))
        expect("counts", +Counter(store.counts()), counted)


def has_pending_ranges(store: Store) -> bool:
    """Range deletions are counted when they are drained."""
    generations = (store.generation, store.draining)
    return any(generation.ranges for generation in generations if generation is not None)


def check_recovered(life: Life, before: History, *, lower_bound: int) -> None:
    """After a crash: `before` is what was known then, `lower_bound` what may not be lost."""
    found = life.current
    if found < lower_bound or found not in before.states:
        raise LostError(f"request {found} is the last one found, {lower_bound} was acknowledged")
    check_store(life.engine.store, before.states[found])
    check_discards(life)
    next_lsn = life.engine.opened.log.next_lsn
    if next_lsn <= (before.acknowledged_lsn if found >= before.acknowledged else 0):
        raise LostError(f"LSN {next_lsn} is given out again; {before.acknowledged_lsn} was used")


def check_discards(life: Life) -> None:
    """What is called discarded is never live: garbage collection would believe it."""
    store, live = life.engine.store, Counter[int]()
    for key in KEYS:
        entry = store._find_pending(key)
        if isinstance(entry, Unknown):
            entry = store._find_clean(key)
        if isinstance(entry, Separated):
            pointer = decode_pointer(entry.pointer)
            live[pointer.segment] += pointer.entry_bytes
    for segment, discarded in life.engine.housekeeping.drainer.discards.items():
        if not life.fs.exists(VLOG.path("/data/vlog", segment)):
            assert not live[segment], f"segment {segment} was collected, but is pointed to"
            continue
        entries_bytes = life.fs.size(VLOG.path("/data/vlog", segment)) - HEADER_BYTES
        if discarded + live[segment] > entries_bytes:
            raise LostError(
                f"segment {segment} of {entries_bytes} bytes: {discarded} are called discarded, "
                f"{live[segment]} are live"
            )
