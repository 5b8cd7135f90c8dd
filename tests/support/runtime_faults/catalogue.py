"""All faults by name, and how one of them is run (glue)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from kiwi_engine.clock import monotonic_ns
from tests.support.runtime_faults import (
    client_faults,
    network_faults,
    slow_faults,
    storage_faults,
)
from tests.support.runtime_faults.trial import Fault, Size, SkippedError, Trial
from tests.support.servers import ServerFailedError

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        "stopped": storage_faults.stopped,
        "killed": storage_faults.killed,
        "hung": slow_faults.hung,
        "slow-sync": slow_faults.slow_sync,
        "orphaned": network_faults.orphaned,
        "worker": network_faults.worker,
        "deaf": client_faults.deaf,
        "endless": client_faults.endless,
        "pipelines": client_faults.pipelines,
        "idle": client_faults.idle,
        "half-sent": client_faults.half_sent,
    }
)


class Outcome(msgspec.Struct, frozen=True):
    """What was seen of one fault; `skipped` says why it could not be made."""

    name: str
    figures: tuple[str, ...]
    violations: tuple[str, ...]
    seconds: float
    skipped: str = ""

    @property
    def verdict(self) -> str:
        if self.skipped:
            return "skipped"
        return "VIOLATED" if self.violations else "ok"


def run_fault(name: str, directory: Path, size: Size, seed: int) -> Outcome:
    """Make it in `directory`, with servers that end with it."""
    started_ns = monotonic_ns()
    skipped = ""
    with Trial(directory, size, f"{seed}:{name}") as trial:
        try:
            FAULTS[name](trial)
        except SkippedError as reason:
            skipped = str(reason)
        except (AssertionError, OSError, ServerFailedError) as error:
            trial.violations.append(f"{type(error).__name__}: {error}")
    seconds = (monotonic_ns() - started_ns) / 1e9
    return Outcome(name, tuple(trial.figures), tuple(trial.violations), seconds, skipped)
