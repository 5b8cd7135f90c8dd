"""HyperLogLogs as Redis keeps them in strings, byte for byte (pure).

    value    "HYLL" | representation u8 | 3 unused bytes | cardinality u64 | registers

The representation is 0 (dense: registers of 6 bits, see `registers`) or 1 (sparse:
runs, see `sparse`). The cardinality, little-endian, is the last estimate; its highest
bit says that registers were raised since. A small HyperLogLog is sparse until it needs more than
`sparse_bytes_max` bytes (hll-sparse-max-bytes) or a rank above 32; it never goes back.

All functions but `is_valid` expect a value for which that holds. The runs of a sparse one may
still be corrupt: `CorruptRunsError`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from kiwi_engine.keyspace.hyperloglog import registers, sparse
from kiwi_engine.keyspace.hyperloglog.sparse import Raised, SparseRegisters

HEADER_BYTES: Final = 16
DENSE: Final = 0
SPARSE: Final = 1
DENSE_BYTES: Final = HEADER_BYTES + registers.PACKED_BYTES

_MAGIC: Final = b"HYLL"
_REPRESENTATION: Final = 4
_CARDINALITY: Final = 8
_STALE: Final = 0x80  # in the last byte of the header
_RAISED: Final = re.compile(rb"[^\0]")


def empty() -> bytes:
    """A HyperLogLog of no elements, which was never estimated."""
    return _stale(_MAGIC + bytes((SPARSE,)) + bytes(11) + sparse.zeros(registers.REGISTERS))


def is_valid(value: bytes) -> bool:
    """Whether a string is a HyperLogLog, as far as its header and its length tell."""
    if len(value) < HEADER_BYTES or value[:4] != _MAGIC:
        return False
    if value[_REPRESENTATION] == DENSE:
        return len(value) == DENSE_BYTES
    return value[_REPRESENTATION] == SPARSE


def is_sparse(value: bytes) -> bool:
    return value[_REPRESENTATION] == SPARSE


def add(value: bytes, elements: Iterable[bytes], sparse_bytes_max: int) -> bytes | None:
    """The value with `elements` added, or None if that changes nothing."""
    ranks = map(registers.index_and_rank, elements)
    return _raise_all(value, ranks, sparse_bytes_max)


def merge(value: bytes, union: bytes, is_dense: bool, sparse_bytes_max: int) -> bytes:
    """The value with its registers raised to those of `union`, which has one byte for each."""
    if is_dense or not is_sparse(value):
        raised = registers.highest(registers_of(value), union)
        return _stale(_header_of(value, DENSE) + registers.pack(raised))
    # Redis raises them one after the other; so the same runs result. In a sparse one most are 0.
    ranks = ((found.start(), union[found.start()]) for found in _RAISED.finditer(union))
    return _raise_all(value, ranks, sparse_bytes_max) or _stale(value)


def registers_of(value: bytes) -> bytes:
    """The registers as one byte each."""
    if is_sparse(value):
        return sparse.expand(value[HEADER_BYTES:])
    return registers.unpack(value[HEADER_BYTES:])


def to_dense(value: bytes) -> bytes:
    """The same HyperLogLog in the dense representation."""
    if not is_sparse(value):
        return value
    return _header_of(value, DENSE) + registers.pack(registers_of(value))


def cached_cardinality(value: bytes) -> int | None:
    """The estimate that the value carries, None if elements were added since."""
    if value[HEADER_BYTES - 1] & _STALE:
        return None
    return int.from_bytes(value[_CARDINALITY:HEADER_BYTES], "little")


def with_cardinality(value: bytes, cardinality: int) -> bytes:
    """The value with `cardinality` as its estimate."""
    return value[:_CARDINALITY] + cardinality.to_bytes(8, "little") + value[HEADER_BYTES:]


def runs_text(value: bytes) -> str:
    """The runs of a sparse value, as PFDEBUG DECODE shows them."""
    return " ".join(map(_run_text, sparse.decode(value[HEADER_BYTES:])))


def _run_text(run: sparse.Run) -> str:
    if run.rank:
        return f"v:{run.rank},{run.length}"
    return f"{'Z' if run.width == 2 else 'z'}:{run.length}"


def _raise_all(
    value: bytes, ranks: Iterable[tuple[int, int]], sparse_bytes_max: int
) -> bytes | None:
    """Raise registers, given as (index, rank) in this order; None if none was lower."""
    waiting = iter(ranks)
    is_changed = False
    if is_sparse(value):
        runs = SparseRegisters(value[HEADER_BYTES:])
        for index, rank in waiting:
            raised = runs.raise_to(index, rank, sparse_bytes_max - HEADER_BYTES)
            if raised is Raised.NEEDS_DENSE:
                dense = bytearray(to_dense(value[:HEADER_BYTES] + runs.runs))
                registers.raise_packed(dense, HEADER_BYTES, index, rank)
                _raise_packed(dense, waiting)
                return _stale(dense)
            is_changed = is_changed or raised is Raised.CHANGED
        return _stale(value[:HEADER_BYTES] + runs.runs) if is_changed else None
    dense = bytearray(value)
    return _stale(dense) if _raise_packed(dense, waiting) else None


def _raise_packed(dense: bytearray, ranks: Iterable[tuple[int, int]]) -> bool:
    """Raise registers of a dense value; whether any was lower."""
    is_changed = False
    for index, rank in ranks:
        is_changed |= registers.raise_packed(dense, HEADER_BYTES, index, rank)
    return is_changed


def _header_of(value: bytes, representation: int) -> bytes:
    """The header of the value with another representation."""
    return value[:_REPRESENTATION] + bytes((representation,)) + value[5:HEADER_BYTES]


def _stale(value: bytes | bytearray) -> bytes:
    """The value with its estimate marked as outdated."""
    changed = bytearray(value)
    changed[HEADER_BYTES - 1] |= _STALE
    return bytes(changed)
