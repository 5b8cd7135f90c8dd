"""How many clients the network processes of a server have together (shell: shared memory).

    memory = of each process: number of its clients u64, id of its newest connection u64

Each process writes its own two numbers and reads all. Ids go on over the death of a process: no two
connections of a server ever have the same.
"""

from __future__ import annotations

import mmap
import os
from typing import Final

from kiwi_engine.channel.numbering import PRIMARY, SOLE, Numbering

_WORDS: Final = 2
_WORD_BYTES: Final = 8
# Instead of a descriptor: memory that nobody shares.
_PRIVATE: Final = -1


class ClientCounts:
    """The counts as one of the processes sees and writes them; `descriptor` is of the memory."""

    def __init__(self, numbering: Numbering, descriptor: int) -> None:
        self.descriptor = descriptor
        self._count = numbering.count
        self._memory = mmap.mmap(descriptor, _memory_bytes(numbering.count))
        self._words = memoryview(self._memory).cast("Q")
        self._own = numbering.number * _WORDS
        self._first_id = numbering.number + 1

    @classmethod
    def alone(cls) -> ClientCounts:
        """Of the only network process."""
        return cls(SOLE, _PRIVATE)

    @classmethod
    def of_primary(cls, count: int) -> ClientCounts:
        """Of the first of `count` processes, with new memory for all of them."""
        descriptor = os.memfd_create("kiwi-client-counts", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, _memory_bytes(count))
        return cls(Numbering(PRIMARY, count), descriptor)

    def note(self, clients: int) -> None:
        """So many clients this process has."""
        self._words[self._own] = clients

    def of(self, number: int) -> int:
        """How many clients a process has."""
        return self._words[number * _WORDS]

    def total(self) -> int:
        """How many clients all processes have."""
        return sum(self._words[::_WORDS])

    def with_newcomer(self, clients: int) -> int:
        """How many clients all processes have, with one more than these of this process.

        The newcomer is counted first, so that of two processes neither overlooks the other's; who
        turns it away has to take it back.
        """
        self.note(clients + 1)
        return self.total()

    def next_id(self) -> int:
        """The id of a new connection of this process."""
        newest = self._words[self._own + 1]
        identity = newest + self._count if newest else self._first_id
        self._words[self._own + 1] = identity
        return identity

    def clear(self, number: int) -> None:
        """A process has died, and its clients are gone with it."""
        self._words[number * _WORDS] = 0


def _memory_bytes(count: int) -> int:
    return count * _WORDS * _WORD_BYTES
