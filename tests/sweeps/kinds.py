"""The crash sweeps by name: what the tests, `scripts/crash_sweep.py` and a replay run (glue).

A seed of a kind is one run of a second or so, the same each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from tests.engine.backup_sweep import BackupSweep, RestoreSweep
from tests.engine.command_sweep import CommandSweep
from tests.engine.sweep import CollectionSweep, EngineSweep, RecoverySweep
from tests.sweeps.judged import Judged
from tests.sweeps.log_sweep import LogSweep


class Sweep(Protocol):
    """A seeded run that counts the crashes it recovered from and judged."""

    judged: Judged

    def run(self, lives: int, steps: int) -> None: ...


def _judged(sweep: Sweep, lives: int, steps: int) -> int:
    sweep.run(lives, steps)
    return sweep.judged.count


# Each runs one seed and returns how many crashes it recovered from and judged.
KINDS: Final[dict[str, Callable[[int], int]]] = {
    "logs": lambda seed: _judged(LogSweep(seed, every=2), lives=3, steps=25),
    "engine": lambda seed: _judged(EngineSweep(seed, every=3), lives=3, steps=30),
    "recovery": lambda seed: _judged(RecoverySweep(seed, every=20), lives=3, steps=30),
    "collection": lambda seed: _judged(CollectionSweep(seed, every=20), lives=2, steps=300),
    "backup": lambda seed: _judged(BackupSweep(seed, every=20), lives=2, steps=200),
    "restore": lambda seed: _judged(RestoreSweep(seed), lives=1, steps=150),
    "commands": lambda seed: _judged(CommandSweep(seed, every=25), lives=2, steps=250),
}

# How many simulated crashes a test run judges, by kind; a longer sweep keeps the proportions.
SHARES: Final = {
    "logs": 73_000,
    "engine": 10_000,
    "recovery": 5_000,
    "collection": 5_000,
    "backup": 2_500,
    "restore": 2_500,
    "commands": 2_000,
}
assert SHARES.keys() == KINDS.keys()


def run(kind: str, seed: int) -> int:
    """Sweep with one seed; returns the crashes judged. What fails says how to replay it."""
    try:
        return KINDS[kind](seed)
    except BaseException as failure:
        failure.add_note(f"replay: python scripts/crash_sweep.py --replay {kind}:{seed}")
        raise
