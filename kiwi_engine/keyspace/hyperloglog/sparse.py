"""The sparse representation of a HyperLogLog: runs of equal registers (pure).

    ZERO    00nnnnnn             n + 1 registers are 0
    XZERO   01nnnnnn nnnnnnnn    n + 1 registers are 0
    VAL     1vvvvvnn             n + 1 registers are v + 1

Raising a register splits the run that it lies in, and then equal neighbours are joined, looking at
five runs from the one in front. Which runs result is part of the format: a value that Redis built
from the same elements has the same bytes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from enum import Enum
from itertools import accumulate
from typing import Final, NamedTuple

from kiwi_engine.keyspace.hyperloglog.registers import REGISTERS

RANK_MAX: Final = 32  # higher ranks need the dense representation
ZERO_RUN_MAX: Final = 64
VALUE_RUN_MAX: Final = 4

_XZERO: Final = 0x40
_VALUE: Final = 0x80
_JOIN_RUNS: Final = 5
# Bytes that are skipped at once on the way to a register.
_STRIDE: Final = 128
_XZERO_BYTE: Final = re.compile(rb"[\x40-\x7f]")
_SHORT_RUNS: Final = re.compile(rb"[^\x40-\x7f]+")


class CorruptRunsError(Exception):
    """The runs cover fewer registers than there are, or more."""


class Raised(Enum):
    """What became of a register that was to be raised."""

    UNCHANGED = 0
    CHANGED = 1
    NEEDS_DENSE = 2  # nothing was changed: the result would not fit


class Run(NamedTuple):
    """One run: `length` registers of `rank`, in `width` bytes."""

    rank: int
    length: int
    width: int


class _Place(NamedTuple):
    """Where a run begins, and the first register that it covers."""

    at: int
    first: int


_START: Final = _Place(0, 0)


def run_at(runs: bytes | bytearray, at: int) -> Run:
    """The run that begins at `at`; bytes behind the end count as 0."""
    byte = runs[at]
    if byte & _VALUE:
        return Run((byte >> 2 & 31) + 1, (byte & 3) + 1, 1)
    if byte & _XZERO:
        low = runs[at + 1] if at + 1 < len(runs) else 0
        return Run(0, ((byte & 63) << 8 | low) + 1, 2)
    return Run(0, byte + 1, 1)


# The registers that a run of one byte stands for, and how many. Those of an XZERO are never used.
_EXPANDED: Final = tuple(
    bytes(((byte >> 2 & 31) + 1 if byte & _VALUE else 0,)) * run_at(bytes((byte, 0)), 0).length
    for byte in range(256)
)
_SPANS: Final = bytes(min(255, len(registers)) for registers in _EXPANDED)


def decode(runs: bytes) -> list[Run]:
    """All runs, in order."""
    found = []
    at = 0
    while at < len(runs):
        run = run_at(runs, at)
        found.append(run)
        at += run.width
    return found


def expand(runs: bytes) -> bytes:
    """One byte for each register; `CorruptRunsError` if the runs do not fit."""
    parts: list[bytes] = []
    at = count = 0
    while at < len(runs) and count <= REGISTERS:
        if runs[at] & 0xC0 == _XZERO:
            run = run_at(runs, at)
            found = [bytes(run.length)]
            at += run.width
        else:
            # Every run covers a register: more of them would be too many anyway.
            short_runs = _SHORT_RUNS.match(runs, at, at + REGISTERS + 1)
            assert short_runs is not None, "there is one at least"
            found = [_EXPANDED[byte] for byte in short_runs[0]]
            at = short_runs.end()
        parts += found
        count += sum(map(len, found))
    if count != REGISTERS:
        raise CorruptRunsError
    return b"".join(parts)


def zeros(count: int) -> bytes:
    """`count` registers that are 0, none included."""
    if not count:
        return b""
    if count <= ZERO_RUN_MAX:
        return bytes((count - 1,))
    return bytes((_XZERO | count - 1 >> 8, count - 1 & 255))


def values(rank: int, count: int) -> bytes:
    """Up to `VALUE_RUN_MAX` registers of `rank`, none included."""
    return bytes((_VALUE | rank - 1 << 2 | count - 1,)) if count else b""


class SparseRegisters:
    """Registers to be raised one after the other; `runs` is their present form."""

    def __init__(self, runs: bytes) -> None:
        self.runs = bytearray(runs)
        # Two runs before the last register that was looked for: the next one may lie behind it.
        self._resume = _START

    def raise_to(self, index: int, rank: int, bytes_max: int) -> Raised:
        """Raise register `index` to `rank`, unless more than `bytes_max` bytes would result.

        `CorruptRunsError` where no run covers the register.
        """
        if rank > RANK_MAX:
            return Raised.NEEDS_DENSE
        (at, first), previous = self._find(index)
        run = run_at(self.runs, at)
        if run.rank >= rank:
            return Raised.UNCHANGED
        before, behind = index - first, first + run.length - 1 - index
        new = values(rank, 1)
        if run.rank:
            new = values(run.rank, before) + new + values(run.rank, behind)
        else:
            new = zeros(before) + new + zeros(behind)
        grown = len(new) - run.width
        if grown > 0 and len(self.runs) + grown > bytes_max:
            return Raised.NEEDS_DENSE
        self.runs[at : at + run.width] = new
        self._join(previous)
        return Raised.CHANGED

    def _find(self, index: int) -> tuple[_Place, int]:
        """The run that covers register `index`, and where the one in front of it begins, or 0.

        Walks over single runs of two bytes, and over whole strides of shorter ones.
        """
        runs, size = self.runs, len(self.runs)
        here = self._begin(index)
        previous = before_previous = here
        while here.at < size:
            at, first = here
            if runs[at] & 0xC0 == _XZERO:
                behind = first + run_at(runs, at).length
                if index < behind:
                    break
                before_previous, previous = previous, here
                here = _Place(at + 2, behind)
                continue
            long_run = _XZERO_BYTE.search(runs, at, at + _STRIDE)
            stop = long_run.start() if long_run else min(at + _STRIDE, size)
            spans = runs[at:stop].translate(_SPANS)
            ends = list(accumulate(spans, initial=first))
            passed = bisect_right(ends, index) - 1
            if passed:
                before_previous = previous
                previous = _Place(at + passed - 1, ends[passed - 1])
            if passed > 1:
                before_previous = _Place(at + passed - 2, ends[passed - 2])
            here = _Place(at + passed, ends[passed])
            if passed < len(spans):
                break
        if here.at >= size:
            raise CorruptRunsError
        self._resume = before_previous
        return here, previous.at

    def _begin(self, index: int) -> _Place:
        """Where to look from; the run there is in front of the one that is looked for."""
        resume = self._resume
        if 0 < resume.at < len(self.runs):
            count = run_at(self.runs, resume.at).length
            if index >= resume.first + count:
                return resume
        return _START

    def _join(self, at: int) -> None:
        """Join equal neighbours among the five runs from `at` on, where they fit one run."""
        runs = self.runs
        for _ in range(_JOIN_RUNS):
            if at + 1 >= len(runs):
                return
            byte = runs[at]
            following = runs[at + 1]
            if not byte & _VALUE:
                at += run_at(runs, at).width
                continue
            count = (byte & 3) + (following & 3) + 2
            # Both are runs of the same value if all bits but those of the count agree.
            if (byte ^ following) & ~3 == 0 and count <= VALUE_RUN_MAX:
                runs[at : at + 2] = bytes((byte & ~3 | count - 1,))
            else:
                at += 1
