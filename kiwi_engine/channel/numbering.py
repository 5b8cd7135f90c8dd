"""Which network process a number belongs to (pure).

Runs, queries and connections are numbered by the network process that they come from. Of `count`
processes the one with the number n, counted from 0, uses n + 1, n + 1 + count, n + 1 + 2 count and
so on: with one process these are 1, 2, 3. So whoever sees a number, also the negative one of a
returned run, knows whose it is.

A worker that died has a successor with its number. What it had asked for may still be answered, so
the runs and queries of the successor have numbers of their own: it is of the next `generation`.
"""

from __future__ import annotations

from typing import Final

import msgspec

# The number of the supervisor's process.
PRIMARY: Final = 0
# What one process cannot use up: a million runs a second for twelve days.
_NUMBERS_OF_A_GENERATION: Final = 1 << 40
# All numbers fit into 63 bits.
_GENERATIONS: Final = 1 << 16


class Numbering(msgspec.Struct, frozen=True):
    """The numbers of one of `count` network processes; `number` 0 is the supervisor's."""

    number: int = 0
    count: int = 1
    generation: int = 0

    @property
    def first(self) -> int:
        """Its first number; the next ones follow in steps of `count`."""
        skipped = self.generation % _GENERATIONS * _NUMBERS_OF_A_GENERATION
        return self.number + 1 + skipped * self.count

    def owns(self, identity: int) -> bool:
        """Whether a number is one of its own."""
        return owner_of(identity, self.count) == self.number


# Those of a network process that is the only one.
SOLE: Final = Numbering()


def owner_of(identity: int, count: int) -> int:
    """The network process that a number, or its negative, belongs to."""
    return (abs(identity) - 1) % count
