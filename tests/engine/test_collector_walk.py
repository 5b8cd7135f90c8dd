"""Collecting value-log segments while anything else goes on, in random order, with crashes."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import msgspec
import pytest

from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.memory_index import MemoryIndex
from tests.engine.collector_world import (
    collector_of,
)
from tests.engine.model import (
    History,
    Life,
    check_discards,
    check_recovered,
    check_store,
    some_changes,
    tiny_settings,
)
from tests.engine.stepped import tiny_steps


@pytest.fixture(autouse=True)
def stepped() -> Iterator[None]:
    with tiny_steps():
        yield


def some_step(life: Life, random: Random) -> None:
    choice = random.random()
    if choice < 0.12:
        life.request(some_changes(random))
    elif choice < 0.3:
        life.pipeline.step()
    elif choice < 0.65:
        life.engine.maintain()
    else:
        life.jobs.run_one()


@pytest.mark.parametrize("seed", range(12))
def test_a_random_walk_shows_the_model_and_survives_crashes(seed: int) -> None:
    """Replay with the seed: `pytest tests/engine/test_collector_walk.py -k "walk and SEED"`."""
    random = Random(seed)
    settings = msgspec.structs.replace(
        tiny_settings(random),
        value_segment_bytes=random.choice([200, 400, 800]),
        drain_entries_max=random.choice([1, 3]),
    )
    life = Life(CrashFs(sector_bytes=32), MemoryIndex(), settings, History())
    collected = 0
    for _ in range(4):
        for _ in range(200):
            some_step(life, random)
            check_store(life.engine.store, life.state)
            check_discards(life)
        collected += collector_of(life).statistics.segments_collected
        assert collector_of(life).unsound == {}
        life = crashed(life, random)
    assert collected


def crashed(life: Life, random: Random) -> Life:
    index = life.index.crash(random.randint(0, life.index.unflushed_batches))
    before, lower_bound = life.history, life.history.acknowledged
    if random.random() < 0.5:
        fs = life.fs.restart()
    else:
        fs = life.fs.crash(random.getrandbits(32), random.choice([0.0, 0.3, 1.0]), torn=True)
        lower_bound = life.history.synced
    again = Life(fs, index, life.settings, before.copy())
    check_recovered(again, before, lower_bound=lower_bound)
    again.history = before.as_found(again)
    return again
