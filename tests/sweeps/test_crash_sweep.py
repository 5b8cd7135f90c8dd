"""No acknowledged record is lost, and nothing else is read, whatever a crash leaves of the logs.

The default seeds judge some 11,000 crashes. `test_planted_bugs.py` shows that they would find bugs.
`LOG_SWEEP_SEEDS=first[-last]` runs other seeds, for a replay or a long soak.
"""

from __future__ import annotations

import os

import pytest

from tests.sweeps.logs import replayable
from tests.sweeps.sweep import Sweep


def _seeds() -> list[int]:
    first, _, last = os.environ.get("LOG_SWEEP_SEEDS", "1-24").partition("-")
    return list(range(int(first), int(last or first) + 1))


@pytest.mark.parametrize("seed", _seeds())
def test_every_crash_of_the_logs_recovers(seed: int) -> None:
    sweep = Sweep(seed, every=4)
    with replayable(seed):
        sweep.run(lives=3, steps=25)
    assert sweep.crashes > 100
