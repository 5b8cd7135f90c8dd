"""An engine whose value-log segments hold four values, and steps that collect them."""

from __future__ import annotations

from typing import Any

import msgspec

from kiwi_engine.commit.policy import BatchLimits
from kiwi_engine.engine.collection.collector import Collector
from kiwi_engine.engine.settings import CollectionSettings, EngineSettings
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.memory_index import MemoryIndex
from kiwi_engine.vlog.collection import CollectionLimits
from kiwi_engine.vlog.format import VLOG
from tests.engine.model import History, Life, check_discards, check_recovered, check_store

EAGER = CollectionSettings(limits=CollectionLimits(0.4, 0.9), rate=0)
NEVER = CollectionSettings(limits=CollectionLimits(1.0, 1.0), rate=0)
# Four values of 30 bytes fill a segment.
SETTINGS = EngineSettings(
    batch=BatchLimits(1, 1 << 20, 0),
    value_threshold=16,
    drain_entries_max=1,
    disk_reserve_bytes=0,
    wal_segment_bytes=256,
    value_segment_bytes=320,
    collection=EAGER,
)
LIVE_KEYS = (b"a0", b"a1")
DEAD_KEYS = (b"b0", b"b1")
KEYS_OF_ONE_SEGMENT = (*LIVE_KEYS, *DEAD_KEYS)


def new_life(**changes: Any) -> Life:
    settings = msgspec.structs.replace(SETTINGS, **changes)
    return Life(CrashFs(), MemoryIndex(), settings, History())


def collector_of(life: Life) -> Collector:
    return life.engine.collector


def put(life: Life, *keys: bytes, fill: bytes = b".") -> None:
    """A value of 30 bytes for each key, in requests of their own."""
    for key in keys:
        value = (b"%s %d " % (key, life.history.last)).ljust(30, fill)
        life.request([("put", key, value)])
        life.pipeline.wait_idle()


def settle(life: Life, rounds: int = 60) -> None:
    """Let everything in the background come to an end."""
    for _ in range(rounds):
        life.engine.maintain()
        life.pipeline.wait_idle()
        life.jobs.run_one()


def drain(life: Life) -> None:
    """Everything committed goes into the index, and nothing is collected meanwhile."""
    housekeeping = life.engine.housekeeping
    while life.engine.store.generation.groups or life.engine.store.draining is not None:
        housekeeping.maintain()
        life.jobs.run_one()
    housekeeping.maintain()


def half_dead(life: Life) -> None:
    """Segment 1 holds two live and two dead values; segment 2 is newer and live."""
    put(life, *LIVE_KEYS, *DEAD_KEYS)
    put(life, *DEAD_KEYS, b"c0", b"c1", b"c2")
    drain(life)
    assert segments(life)[:2] == [1, 2]


def segments(life: Life) -> list[int]:
    return VLOG.numbers(life.fs.list_directory("/data/vlog"))


def step_until_read(life: Life) -> None:
    """The live values of segment 1 are in memory, and not put again yet."""
    while collector_of(life)._batch is None:
        collector_of(life).maintain()
        life.jobs.run_one()
        life.engine.housekeeping.maintain()
    assert collector_of(life).current_segment() == 1


def check(life: Life) -> None:
    check_store(life.engine.store, life.state)
    check_discards(life)
    recovered = Life(life.fs.crash(0, 0.0), life.index.crash(), life.settings, life.history.copy())
    check_recovered(recovered, life.history, lower_bound=life.current)
