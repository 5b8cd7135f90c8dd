"""Values that live in the value log, as the rest of the engine holds them (pure data).

    LargeValue  being written: the bytes are in memory, the pointer comes with the append
    Separated   written: a pointer and the head of the value

The head (the first `HEAD_BYTES`) stays beside the pointer, so that a question about the type or the
deadline of a large value never reads the value log.
"""

from __future__ import annotations

from typing import Final

HEAD_BYTES: Final = 16


class LargeValue:
    """A value at or above the threshold. The log thread sets the encoded `pointer`."""

    __slots__ = ("pointer", "value")

    def __init__(self, value: bytes) -> None:
        self.value = value
        self.pointer = b""

    @property
    def head(self) -> bytes:
        return self.value[:HEAD_BYTES]


class Separated:
    """A value in the value log: its encoded pointer and its first bytes."""

    __slots__ = ("head", "pointer")

    def __init__(self, pointer: bytes, head: bytes) -> None:
        self.pointer = pointer
        self.head = head
