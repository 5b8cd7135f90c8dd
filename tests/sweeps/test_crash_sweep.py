"""Nothing acknowledged is lost, torn or reordered, whatever a crash leaves of a directory.

A hundred thousand simulated crashes in each test run; `test_planted_bugs.py`, here and beside the
engine's tests, shows that they would find bugs. `make crash-sweep` runs as many as you like.
"""

from __future__ import annotations

from itertools import count
from typing import Final

import pytest

from tests.engine.sweep import EngineSweep
from tests.sweeps.kinds import KINDS, SHARES, run

CRASHES: Final = 100_000
CRASHES_A_TEST: Final = 2_500
SEEDS_A_TEST_MAX: Final = 1000

PARTS: Final = [
    (kind, part * SEEDS_A_TEST_MAX + 1)
    for kind, crashes in SHARES.items()
    for part in range(-(-crashes // CRASHES_A_TEST))
]


# Some twenty seconds of one processor, which it may have to share.
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "first_seed"), PARTS)
def test_every_crash_is_recovered_from(
    kind: str, first_seed: int, record_property: pytest.RecordProperty
) -> None:
    judged = 0
    for seed in count(first_seed):
        judged += run(kind, seed)
        if judged >= CRASHES_A_TEST:
            break
    record_property("crashes", judged)
    assert seed < first_seed + SEEDS_A_TEST_MAX, "a seed judges too few crashes"


def test_a_run_of_the_tests_judges_enough_crashes() -> None:
    assert len(PARTS) * CRASHES_A_TEST >= CRASHES
    assert {kind for kind, _ in PARTS} == KINDS.keys()


def test_a_seed_gives_the_same_run_each_time() -> None:
    first, second = EngineSweep(5, every=20), EngineSweep(5, every=20)
    for sweep in (first, second):
        sweep.run(lives=2, steps=30)
    assert first.judged.count == second.judged.count > 10
    assert first.history.states == second.history.states
