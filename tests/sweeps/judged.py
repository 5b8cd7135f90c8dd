"""Counting crash states honestly, and telling what is wrong with one (pure)."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class ViolationError(BaseException):
    """What a crash left was not recovered as promised; its cause says what was found.

    Not an `Exception`: remains are judged in the middle of a disk operation of the code under test,
    which would take any other error for one of the disk.
    """


@contextmanager
def judging() -> Iterator[None]:
    """Every error inside is a violation."""
    try:
        yield
    except Exception as failure:
        raise ViolationError(f"{type(failure).__name__}: {failure}") from failure


class Judged:
    """`count` is how many crashes were simulated, recovered from, and judged.

    Different crashes often leave the same remains. Those are judged once and count once.
    """

    def __init__(self) -> None:
        self.count = 0
        self._seen: set[Hashable] = set()

    def is_new(self, *state: Hashable) -> bool:
        """Count a state, unless it was seen before; the caller recovers and judges it."""
        known = len(self._seen)
        self._seen.add(state)
        is_new = len(self._seen) > known
        self.count += is_new
        return is_new
