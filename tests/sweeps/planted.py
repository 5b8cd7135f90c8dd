"""Looking for a planted bug: a sweep that passes one proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, Final, Protocol

import pytest

from kiwi_engine.errors import KiwiError
from tests.sweeps.judged import Judged, ViolationError

CRASHES_MAX: Final = 10_000

# What `monkeypatch.setattr` takes: an object, the name of its attribute, and the wrong one.
Patch = tuple[Any, str, Any]


class SeededSweep(Protocol):
    """What all sweeps have in common."""

    judged: Judged

    def run(self, lives: int, steps: int) -> None: ...


def require_found(make: Callable[[int], SeededSweep], lives: int, steps: int) -> int:
    """Sweep until something is violated; after how many crashes that was.

    The test fails if a good many crashes are recovered from as if there were no bug.
    """
    crashes = 0
    for seed in count(1):
        sweep = make(seed)
        try:
            sweep.run(lives, steps)
        except (ViolationError, AssertionError, KiwiError):
            return crashes + sweep.judged.count
        crashes += sweep.judged.count
        if crashes > CRASHES_MAX:
            pytest.fail(f"{crashes} crashes did not find it")
    raise AssertionError("seeds do not end")
