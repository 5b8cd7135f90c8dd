"""What OBJECT ENCODING says of a list, as it grows and shrinks (pure).

Redis keeps a small list in one listpack and a larger one in a chain of them, a quicklist. Here both
are stored alike; only the sizes are the same. Source: `listTypeTryConversion` of Redis 7.2
(t_list.c), the limits of quicklist.c and the element forms of listpack.c.

One difference is left: Redis takes a quicklist back to a listpack only when its last elements
happen to lie in one node of the chain; here it is enough that they are few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from kiwi_engine.keyspace.limits import Limits
from kiwi_engine.keyspace.numerals.integers import INTEGER_TEXT_MAX, to_integer
from kiwi_engine.keyspace.spread.roots import LISTPACK, QUICKLIST

# A listpack without elements, the smallest of them, and what one takes beyond its text at most.
EMPTY_BYTES: Final = 7
ELEMENT_BYTES_MIN: Final = 2
ELEMENT_OVERHEAD_MAX: Final = 10
# The settings -1 to -5; smaller ones count as -5.
_BYTE_LIMITS: Final = (4096, 8192, 16384, 32768, 65536)
# No half of those has room for more elements.
_HALF_COUNT_MAX: Final = _BYTE_LIMITS[-1] // 2 // ELEMENT_BYTES_MIN
# A list that is limited by its count must not have more bytes than this either.
_SAFETY_BYTES: Final = 8192
_NO_LIMIT: Final = 2**64
# What quicklist.c adds to the text of an element before it has looked at it.
_ESTIMATED_OVERHEAD: Final = 8


def element_bytes(element: bytes) -> int:
    """How many bytes a listpack needs for one element."""
    size = len(element)
    if size <= INTEGER_TEXT_MAX and (element.isdigit() or element[:1] == b"-"):
        number = to_integer(element)
        if number is not None:
            return _integer_bytes(number)
    front = size + (1 if size < 64 else 2 if size < 4096 else 5)
    if front < 128:
        return front + 1
    return front + next(n for n in range(2, 6) if front < (1 << 7 * n) - 1 or n == 5)


def _integer_bytes(number: int) -> int:
    if 0 <= number < 128:
        return 2
    if -4096 <= number < 4096:
        return 3
    bits = (number if number >= 0 else ~number).bit_length() + 1
    return next(size for size in (2, 3, 4, 8) if bits <= 8 * size) + 2


def listpack_bytes(elements: Iterable[bytes]) -> int:
    """How large a listpack of these elements is."""
    return EMPTY_BYTES + sum(map(element_bytes, elements))


def outgrows(limits: Limits, size: int, count: int) -> bool:
    """Whether a list of `count` elements, as a listpack `size` bytes large, is a quicklist."""
    size_max, count_max = _bounds(limits)
    if size_max == _NO_LIMIT:
        return count > count_max or size > _SAFETY_BYTES
    return size > size_max


def is_small_again(limits: Limits, count: int, measure: Callable[[], int]) -> bool:
    """Whether a quicklist that lost elements becomes a listpack: at half of the limit.

    `measure` tells its size as a listpack; it is called only where that matters.
    """
    if count > _HALF_COUNT_MAX and limits.list_max_listpack_size < 0:
        return False  # so it is for a long queue, with every pop
    size_max, count_max = _bounds(limits)
    if size_max == _NO_LIMIT:
        return count <= count_max // 2
    may_fit = EMPTY_BYTES + count * ELEMENT_BYTES_MIN <= size_max // 2
    return may_fit and measure() <= size_max // 2


def built_encoding(limits: Limits, elements: Iterable[bytes]) -> int:
    """That of a list that is made as a whole: a listpack if one node of a quicklist holds it."""
    size = EMPTY_BYTES
    for before, element in enumerate(elements):
        if before and outgrows(limits, size + len(element) + _ESTIMATED_OVERHEAD, before + 1):
            return QUICKLIST
        size += element_bytes(element)
    return QUICKLIST if outgrows(limits, size, 1) else LISTPACK


def _bounds(limits: Limits) -> tuple[int, int]:
    """Bytes and elements of a node; only one of them is limited."""
    setting = limits.list_max_listpack_size
    if setting >= 0:
        return _NO_LIMIT, max(1, setting)
    return _BYTE_LIMITS[min(-setting, len(_BYTE_LIMITS)) - 1], _NO_LIMIT
