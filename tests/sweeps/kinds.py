"""The crash sweeps by name: what the tests, `scripts/crash_sweep.py` and a replay run (glue).

A seed of a kind is one run of a second or so, the same each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.engine.backup_sweep import BackupSweep, RestoreSweep
from tests.engine.sweep import CollectionSweep, EngineSweep, RecoverySweep
from tests.sweeps.log_sweep import LogSweep


def _logs(seed: int) -> int:
    sweep = LogSweep(seed, every=2)
    sweep.run(lives=3, steps=25)
    return sweep.judged.count


def _engine(seed: int) -> int:
    sweep = EngineSweep(seed, every=3)
    sweep.run(lives=3, steps=30)
    return sweep.judged.count


def _recovery(seed: int) -> int:
    sweep = RecoverySweep(seed, every=20)
    sweep.run(lives=3, steps=30)
    return sweep.judged.count


def _collection(seed: int) -> int:
    sweep = CollectionSweep(seed, every=20)
    sweep.run(lives=2, steps=300)
    return sweep.judged.count


def _backup(seed: int) -> int:
    sweep = BackupSweep(seed, every=20)
    sweep.run(lives=2, steps=200)
    return sweep.judged.count


def _restore(seed: int) -> int:
    sweep = RestoreSweep(seed)
    sweep.run(lives=1, steps=150)
    return sweep.judged.count


# Each runs one seed and returns how many crashes it recovered from and judged.
KINDS: Final[dict[str, Callable[[int], int]]] = {
    "logs": _logs,
    "engine": _engine,
    "recovery": _recovery,
    "collection": _collection,
    "backup": _backup,
    "restore": _restore,
}

# How many simulated crashes a test run judges, by kind; a longer sweep keeps the proportions.
SHARES: Final = {
    "logs": 75_000,
    "engine": 10_000,
    "recovery": 5_000,
    "collection": 5_000,
    "backup": 2_500,
    "restore": 2_500,
}
assert SHARES.keys() == KINDS.keys()


def run(kind: str, seed: int) -> int:
    """Sweep with one seed; returns the crashes judged. What fails says how to replay it."""
    try:
        return KINDS[kind](seed)
    except BaseException as failure:
        failure.add_note(f"replay: python scripts/crash_sweep.py --replay {kind}:{seed}")
        raise
