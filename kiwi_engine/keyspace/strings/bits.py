"""Counting, finding, reading and combining the bits of strings (pure).

Bit 0 is the highest bit of the first byte. What a paged string does not store is zero; so these
functions skip it.
"""

from __future__ import annotations

from enum import Enum

from kiwi_engine.keyspace.strings.strings import String


class BitOperation(Enum):
    """What BITOP does to each bit of its sources."""

    AND = "and"
    OR = "or"
    XOR = "xor"
    NOT = "not"


def count_bits(string: String, first: int, last: int) -> int:
    """How many of the bits `first` to `last`, which must be inside, are 1."""
    begin, end = first >> 3, (last >> 3) + 1
    count = sum(int.from_bytes(piece).bit_count() for _, piece in string.pieces(begin, end))
    if first & 7:
        count -= (string.read(begin, begin + 1)[0] >> 8 - (first & 7)).bit_count()
    if behind := 7 - (last & 7):
        count -= (string.read(end - 1, end)[0] & (1 << behind) - 1).bit_count()
    return count


def find_bit(string: String, bit: int, first: int, last: int) -> int | None:
    """Where the first of the bits `first` to `last`, which must be inside, equals `bit`."""
    begin, end = first >> 3, (last >> 3) + 1
    reached, skipped = begin, b"\0" if bit else b"\xff"
    for at, stored in string.pieces(begin, end):
        if at > reached and not bit:
            break
        piece = _without_bits_before(first, bit, stored) if at == begin else stored
        rest = piece.lstrip(skipped)
        if rest:
            byte = rest[0] if bit else rest[0] ^ 0xFF
            found = 8 * (at + len(piece) - len(rest)) + 8 - byte.bit_length()
            return found if found <= last else None
        reached = at + len(piece)
    return max(first, 8 * reached) if reached < end and not bit else None


def _without_bits_before(first: int, bit: int, piece: bytes) -> bytes:
    """`piece`, whose first byte holds bit `first`; no bit in front of that equals `bit`."""
    inside = 0xFF >> (first & 7)
    byte = piece[0] & inside if bit else piece[0] | inside ^ 0xFF
    return bytes((byte,)) + piece[1:]


def read_bits(string: String, offset: int, width: int) -> int:
    """The unsigned number in `width` bits from `offset` on; bits behind the end are 0."""
    begin, end = offset >> 3, offset + width + 7 >> 3
    data = string.read(begin, end).ljust(end - begin, b"\0")
    return int.from_bytes(data) >> 8 * end - offset - width & (1 << width) - 1


def write_bits(string: String, offset: int, width: int, number: int) -> None:
    """Put an unsigned number into `width` bits from `offset` on, which must be inside."""
    begin, end = offset >> 3, offset + width + 7 >> 3
    shift = 8 * end - offset - width
    kept = int.from_bytes(string.read(begin, end)) & ~((1 << width) - 1 << shift)
    string.write(begin, (kept | number << shift).to_bytes(end - begin))


def combine(operation: BitOperation, sources: list[bytes], size: int) -> bytes:
    """The result, `size` bytes long; shorter sources count as filled up with zeros."""
    numbers = [int.from_bytes(source.ljust(size, b"\0")) for source in sources]
    result = numbers[0]
    if operation is BitOperation.NOT:
        result ^= (1 << 8 * size) - 1
    for number in numbers[1:]:
        if operation is BitOperation.AND:
            result &= number
        elif operation is BitOperation.OR:
            result |= number
        else:
            result ^= number
    return result.to_bytes(size)
