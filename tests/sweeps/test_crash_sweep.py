"""Nothing acknowledged is lost, torn or reordered, whatever a crash leaves of a directory.

A hundred thousand simulated crashes in each test run; `test_planted_bugs.py`, here and beside the
engine's tests, shows that they would find bugs. `make crash-sweep` runs as many as you like.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final, NamedTuple

import pytest

from tests.engine.sweep import EngineSweep
from tests.sweeps.kinds import KINDS, SHARES, run

# A run that is there for something else, like measuring coverage, may want fewer.
CRASHES: Final = int(os.environ.get("SWEEP_CRASHES", "100000"))
CRASHES_A_TEST: Final = 2_500
SEEDS_A_TEST_MAX: Final = 1000


class Part(NamedTuple):
    """One test: seeds of `kind` from `first_seed` on, until `crashes` are judged."""

    kind: str
    first_seed: int
    crashes: int


def parts(crashes: int) -> Iterator[Part]:
    """So many crashes in the proportions of `SHARES`, of each kind at least one."""
    for kind, share in SHARES.items():
        wanted = max(1, crashes * share // sum(SHARES.values()))
        for number, begin in enumerate(range(0, wanted, CRASHES_A_TEST)):
            first_seed = number * SEEDS_A_TEST_MAX + 1
            yield Part(kind, first_seed, min(CRASHES_A_TEST, wanted - begin))


# Some twenty seconds of one processor, which it may have to share.
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "first_seed", "crashes"), list(parts(CRASHES)))
def test_every_crash_is_recovered_from(
    kind: str, first_seed: int, crashes: int, record_property: Callable[[str, object], None]
) -> None:
    judged = 0
    for seed in count(first_seed):
        judged += run(kind, seed)
        if judged >= crashes:
            break
    record_property("crashes", judged)
    assert seed < first_seed + SEEDS_A_TEST_MAX, "a seed judges too few crashes"


def test_a_run_judges_as_many_crashes_as_it_should() -> None:
    assert sum(part.crashes for part in parts(100_000)) == 100_000
    assert {part.kind for part in parts(1)} == KINDS.keys()


def test_a_seed_gives_the_same_run_each_time() -> None:
    first, second = EngineSweep(5, every=20), EngineSweep(5, every=20)
    for sweep in (first, second):
        sweep.run(lives=2, steps=30)
    assert first.judged.count == second.judged.count > 10
    assert first.history.states == second.history.states
