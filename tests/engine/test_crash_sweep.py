"""No acknowledged request is lost, torn or reordered, whatever a crash leaves of the directory.

`ENGINE_SWEEP_SEEDS=first[-last]` runs other seeds, for a replay or a long soak.
"""

from __future__ import annotations

import os

import pytest

from tests.engine.sweep import EngineSweep, replayable


def _seeds() -> list[int]:
    first, _, last = os.environ.get("ENGINE_SWEEP_SEEDS", "1-14").partition("-")
    return list(range(int(first), int(last or first) + 1))


@pytest.mark.parametrize("seed", _seeds())
def test_every_crash_of_the_engine_recovers(seed: int) -> None:
    sweep = EngineSweep(seed, every=6)
    with replayable(seed):
        sweep.run(lives=3, steps=30)
    assert sweep.crashes > 100


def test_a_seed_gives_the_same_run_each_time() -> None:
    first, second = EngineSweep(5, every=20), EngineSweep(5, every=20)
    for sweep in (first, second):
        sweep.run(lives=2, steps=30)
    assert first.crashes == second.crashes > 10
    assert first.history.states == second.history.states
