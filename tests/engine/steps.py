"""What may happen next to an engine, in any thread (a random walk)."""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

from tests.engine.model import SIZES, Life, some_changes
from tests.engine.views import Views


class Mix(NamedTuple):
    """How often each thing happens; what is left of 1 is for background jobs.

    `sizes`: of the values that are written.
    """

    request: float
    read: float
    commit: float
    maintain: float
    sizes: tuple[int, ...] = SIZES


EVERYTHING: Final = Mix(0.4, 0.06, 0.16, 0.18)
# Large values that are overwritten, and much time to collect them.
COLLECTING: Final = Mix(0.14, 0.02, 0.12, 0.36, sizes=(3, 16, 17, 40, 40, 60))


def step(life: Life, random: Random, mix: Mix = EVERYTHING, views: Views | None = None) -> None:
    """One thing happens, then some of it is looked at."""
    choice = random.random()
    if (choice := choice - mix.request) < 0:
        life.request(some_changes(random, mix.sizes))
    elif (choice := choice - mix.read) < 0:
        life.request([])
    elif (choice := choice - mix.commit) < 0:
        life.pipeline.step()
    elif choice < mix.maintain:
        life.engine.maintain()
    else:
        life.jobs.run_one()
    if random.random() < 0.3:
        life.check_reads(random)
    if views is not None and random.random() < 0.3:
        views.step(random)
