"""The engine equals a dict, whatever happens to it in whatever order (Hypothesis).

The crash sweep goes over many states of one random walk; this looks for the short walk that breaks
a promise. A failure prints the steps that replay it.
"""

from __future__ import annotations

from contextlib import ExitStack
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.memory_index import MemoryIndex
from tests.engine.model import (
    KEYS,
    Change,
    History,
    Life,
    check_discards,
    check_recovered,
    check_store,
    tiny_settings,
)
from tests.engine.stepped import tiny_steps
from tests.engine.views import Views

VALUES = st.binary(max_size=8) | st.sampled_from([b"z" * 15, b"z" * 16, b"z" * 90])
KEY = st.sampled_from(KEYS)
CHANGE = st.one_of(
    st.tuples(st.just("put"), KEY, VALUES),
    st.tuples(st.just("delete"), KEY, st.just(b"")),
    st.tuples(st.just("range"), KEY, KEY),
)


class EngineMachine(RuleBasedStateMachine):
    """`life` is the engine that is open at present."""

    def __init__(self) -> None:
        super().__init__()
        self._patches = ExitStack()
        self._patches.enter_context(tiny_steps())

    def teardown(self) -> None:
        self._patches.close()

    @initialize(seed=st.integers(0, 999), sector_bytes=st.sampled_from([8, 32, 64]))
    def start(self, seed: int, sector_bytes: int) -> None:
        settings_of_engine = tiny_settings(Random(seed))
        self.life = Life(
            CrashFs(sector_bytes=sector_bytes), MemoryIndex(), settings_of_engine, History()
        )
        self.views = Views(self.life)

    @rule(changes=st.lists(CHANGE, min_size=1, max_size=4))
    def write(self, changes: list[Change]) -> None:
        self.life.request(changes)

    @rule()
    def read(self) -> None:
        self.life.request([])

    @rule()
    def log_thread(self) -> None:
        self.life.pipeline.step()

    @rule()
    def maintain(self) -> None:
        self.life.engine.maintain()

    @rule()
    def background_thread(self) -> None:
        self.life.jobs.run_one()

    @rule(seed=st.integers(0, 1 << 16))
    def snapshot(self, seed: int) -> None:
        self.views.step(Random(seed))

    @rule(share=st.sampled_from([0.0, 0.3, 1.0]))
    def collect(self, share: float) -> None:
        self.life.engine.collector.collect(share)

    @precondition(lambda self: self.life.engine.store.draining is None)
    @rule()
    def seal(self) -> None:
        self.life.engine.housekeeping.seal()

    @rule(stalls=st.integers(1, 2))
    def stall_index(self, stalls: int) -> None:
        self.life.index.stalled_writes = stalls

    @rule()
    def close_and_open(self) -> None:
        life, current = self.life, self.life.current
        self.views.close()
        life.close()
        self._open(life.fs, MemoryIndex(life.index.durable), current)
        assert self.life.current == current

    @rule(share=st.floats(0, 1))
    def kill(self, share: float) -> None:
        fs, index = self.life.fs.restart(), self._index_after(share)
        self._open(fs, index, self.life.history.acknowledged)

    @rule(
        seed=st.integers(0, 1 << 32),
        keep=st.sampled_from([0.0, 0.3, 1.0]),
        torn=st.booleans(),
        share=st.floats(0, 1),
    )
    def lose_power(self, seed: int, keep: float, torn: bool, share: float) -> None:
        fs = self.life.fs.crash(seed, keep, torn=torn)
        self._open(fs, self._index_after(share), self.life.history.synced)

    @invariant()
    def reads_equal_the_model(self) -> None:
        if hasattr(self, "life"):
            check_store(self.life.engine.store, self.life.state)
            check_discards(self.life)

    def _index_after(self, share: float) -> MemoryIndex:
        index = self.life.index
        return index.crash(round(share * index.unflushed_batches))

    def _open(self, fs: CrashFs, index: MemoryIndex, lower_bound: int) -> None:
        before = self.life.history
        life = Life(fs, index, self.life.settings, before.copy())
        check_recovered(life, before, lower_bound=lower_bound)
        life.history = before.as_found(life)
        self.life, self.views = life, Views(life)


TestEngineMachine = EngineMachine.TestCase
TestEngineMachine.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
