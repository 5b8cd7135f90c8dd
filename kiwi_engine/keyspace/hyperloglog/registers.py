"""The registers of a HyperLogLog: hashing, packing, merging, estimating (pure).

An element picks one of 16384 registers with 14 bits of its hash; the register keeps the highest
*rank*, the position of the first set bit in the rest of the hash. Unpacked, registers are bytes;
packed, they take 6 bits each, the first register in the lowest bits of the first byte.

The estimate is the improved raw estimator of O. Ertl, "New cardinality estimation algorithms for
HyperLogLog sketches" (2017), as in Redis, whose registers and results these are.
"""

from __future__ import annotations

import math
from typing import Final

from kiwi_engine.keyspace.hyperloglog.murmur import murmur_hash_64a

INDEX_BITS: Final = 14
REGISTERS: Final = 1 << INDEX_BITS
RANK_BITS: Final = 64 - INDEX_BITS
RANK_MAX: Final = RANK_BITS + 1
REGISTER_BITS: Final = 6
PACKED_BYTES: Final = REGISTERS * REGISTER_BITS // 8
EMPTY: Final = bytes(REGISTERS)
# What does not fit a signed number becomes this one in Redis on x86-64.
ESTIMATE_MAX: Final = 2**63

_SEED: Final = 0xADC83B19
_INDEX_MASK: Final = REGISTERS - 1
_REGISTER_MASK: Final = (1 << REGISTER_BITS) - 1
_GUARD: Final = 1 << RANK_BITS
_ALPHA: Final = 0.721347520444481703680  # 1 / (2 ln 2), for any number of registers

# Four registers share three bytes; each table gives what one byte adds to a register.
_LOW_6: Final = bytes(byte & 63 for byte in range(256))
_HIGH_2: Final = bytes(byte >> 6 for byte in range(256))
_LOW_4: Final = bytes((byte & 15) << 2 for byte in range(256))
_HIGH_4: Final = bytes(byte >> 4 for byte in range(256))
_LOW_2: Final = bytes((byte & 3) << 4 for byte in range(256))
_HIGH_6: Final = bytes(byte >> 2 for byte in range(256))

# Arithmetic on all registers at once: a number of one byte a register. Registers stay below 128.
_TOP_BITS: Final = int.from_bytes(b"\x80" * REGISTERS, "little")
_LOWER_BITS: Final = int.from_bytes(b"\x7f" * REGISTERS, "little")


def index_and_rank(element: bytes) -> tuple[int, int]:
    """The register that `element` belongs to, and the rank that it asks for there."""
    bits = murmur_hash_64a(element, _SEED)
    rest = bits >> INDEX_BITS | _GUARD
    return bits & _INDEX_MASK, (rest & -rest).bit_length()


def raise_packed(packed: bytearray, offset: int, index: int, rank: int) -> bool:
    """Raise one register of those packed at `packed[offset:]` to `rank`; whether it was lower."""
    at, shift = divmod(index * REGISTER_BITS, 8)
    at += offset
    # The last register ends with the last byte: there is no second one to look into.
    pair = packed[at] | (packed[at + 1] << 8 if shift > 2 else 0)
    if pair >> shift & _REGISTER_MASK >= rank:
        return False
    pair = pair & ~(_REGISTER_MASK << shift) | rank << shift
    packed[at] = pair & 255
    if shift > 2:
        packed[at + 1] = pair >> 8
    return True


def unpack(packed: bytes) -> bytes:
    """The registers as one byte each; `packed` is `PACKED_BYTES` long."""
    first, second, third = packed[0::3], packed[1::3], packed[2::3]
    registers = bytearray(REGISTERS)
    registers[0::4] = first.translate(_LOW_6)
    registers[1::4] = _either(first.translate(_HIGH_2), second.translate(_LOW_4))
    registers[2::4] = _either(second.translate(_HIGH_4), third.translate(_LOW_2))
    registers[3::4] = third.translate(_HIGH_6)
    return bytes(registers)


def pack(registers: bytes) -> bytes:
    """The inverse of `unpack`."""
    numbers = [int.from_bytes(registers[lane::4], "little") for lane in range(4)]
    packed = bytearray(PACKED_BYTES)
    lane_bytes = REGISTERS // 4
    for byte in range(3):
        # A register spills into two bytes; what a shift carries into its neighbour is cut off.
        low = numbers[byte] >> 2 * byte & _every(63 >> 2 * byte)
        high = numbers[byte + 1] << 6 - 2 * byte & _every(255 & 255 << 6 - 2 * byte)
        packed[byte::3] = (low | high).to_bytes(lane_bytes, "little")
    return bytes(packed)


def _every(byte: int) -> int:
    """A number with `byte` in the place of each register of a lane."""
    return int.from_bytes(bytes((byte,)) * (REGISTERS // 4), "little")


def _either(one: bytes, other: bytes) -> bytes:
    number = int.from_bytes(one, "little") | int.from_bytes(other, "little")
    return number.to_bytes(len(one), "little")


def highest(one: bytes, other: bytes) -> bytes:
    """The higher of each two registers: the union of two HyperLogLogs."""
    ours, theirs = int.from_bytes(one, "little"), int.from_bytes(other, "little")
    # The top bit of a byte survives the subtraction exactly where ours is not lower.
    kept = ((ours | _TOP_BITS) - theirs & _TOP_BITS) >> 7
    mask = (kept << 7) - kept
    number = ours & mask | theirs & (mask ^ _LOWER_BITS)
    return number.to_bytes(REGISTERS, "little")


def estimate(registers: bytes) -> int:
    """The estimated number of elements, `ESTIMATE_MAX` at most.

    More than that is estimated only from registers that a client made up.
    """
    total = float(REGISTERS)
    counts = _counts(registers)
    z = total * _tau((total - counts[RANK_MAX]) / total)
    for rank in range(RANK_BITS, 0, -1):
        z = (z + counts[rank]) * 0.5
    z += total * _sigma(counts[0] / total)
    if not z:
        return ESTIMATE_MAX
    return min(ESTIMATE_MAX, math.floor(_ALPHA * total * total / z + 0.5))


def _counts(registers: bytes) -> list[int]:
    """How many registers there are of each rank; none is looked for once all are found."""
    counts = [0] * (RANK_MAX + 1)
    left = len(registers)
    for rank in range(RANK_MAX + 1):
        counts[rank] = registers.count(rank)
        left -= counts[rank]
        if not left:
            break
    return counts


def _sigma(x: float) -> float:
    """The correction for registers that are still 0, `x` being their share."""
    if x == 1.0:
        return math.inf
    y, z, previous = 1.0, x, -1.0
    while previous != z:
        x *= x
        previous = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    """The correction for registers at their maximum, `x` being the share of the others."""
    if x in (0.0, 1.0):
        return 0.0
    y, z, previous = 1.0, 1.0 - x, -1.0
    while previous != z:
        x = math.sqrt(x)
        previous = z
        y *= 0.5
        z -= (1.0 - x) ** 2 * y
    return z / 3.0
