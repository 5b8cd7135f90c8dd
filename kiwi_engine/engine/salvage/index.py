"""Reading what is left of a damaged index (shell; reads only).

RocksDB merges its tables while it iterates. As soon as one of them cannot be read, the iterator
stops: everything it returned before that is complete and current. Where a later seek succeeds, all
tables can be read again, so everything from there on is, too. In between, a newer value or a
deletion may be among the lost bytes: nothing of that range is taken, also not from tables that are
intact, because it might be an older state. That is a block of some kilobytes where one block is
damaged, and the whole range of a table whose footer or index is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from kiwi_engine.engine.inspection.index import exists
from kiwi_engine.errors import CorruptionError, IndexFailedError
from kiwi_engine.index.protocol import Index
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.index.settings import MEBIBYTE, IndexSettings

_SETTINGS: Final = IndexSettings(
    block_cache_bytes=8 * MEBIBYTE, open_files_max=64, tolerates_damage=True
)
# Keys are told apart by so many bytes when the end of an unreadable range is looked for: the whole
# place of a key in its database, or of an expiry entry and some of its key.
_PROBE_BYTES: Final = 24
_TABLE: Final = re.compile(r"(/\S+\.sst)(?: offset (\d+))?")

IndexDamage = (CorruptionError, IndexFailedError)


class Gap(NamedTuple):
    """Keys from `first` up to, not including, `end` (None: the last) could not be read."""

    first: bytes
    end: bytes | None
    path: str
    offset: int
    reason: str


def open_index(path: str) -> RocksIndex | None:
    """The index in `path`, as far as it can be read; None if there is none."""
    return RocksIndex.open(path, _SETTINGS, read_only=True) if exists(path) else None


def surviving_entries(index: Index, gaps: list[Gap]) -> Iterator[tuple[bytes, bytes]]:
    """All entries that are certainly current, in order; what lies between them goes to `gaps`."""
    begin: bytes | None = b""
    while begin is not None:
        first = begin
        try:
            for key, stored in index.iterate(begin, None):
                first = key + b"\x00"
                yield key, stored
            return
        except IndexDamage as damage:
            found = gap(first, _readable_from(index, first), damage)
            if gaps and gaps[-1].end == found.first:
                found = gaps.pop()._replace(end=found.end)
            gaps.append(found)
            begin = found.end


def gap(first: bytes, end: bytes | None, damage: CorruptionError | IndexFailedError) -> Gap:
    """A gap, with the table file that RocksDB blames if it names one."""
    table = _TABLE.search(damage.reason)
    path, offset = (table[1], int(table[2] or 0)) if table else (damage.path, 0)
    return Gap(first, end, path, offset, " ".join(damage.reason.split()))


def _readable_from(index: Index, unreadable: bytes) -> bytes | None:
    """A key behind `unreadable` from which on the index can be read; None if none is found.

    Goes up in growing steps and then halves the last one, so the key is the first such of the
    probed width, unless another damaged place lies in that last step.
    """
    low = int.from_bytes(unreadable[:_PROBE_BYTES].ljust(_PROBE_BYTES, b"\x00"), "big")
    top = (1 << 8 * _PROBE_BYTES) - 1
    step = 1
    while not _is_readable(index, _probe(min(low + step, top))):
        if low + step >= top:
            return None
        low, step = low + step, step * 2
    high = min(low + step, top)
    while high - low > 1:
        middle = (low + high) // 2
        if _is_readable(index, _probe(middle)):
            high = middle
        else:
            low = middle
    return _probe(high)


def _probe(number: int) -> bytes:
    return number.to_bytes(_PROBE_BYTES, "big")


def _is_readable(index: Index, key: bytes) -> bool:
    try:
        next(index.iterate(key, None), None)
    except IndexDamage:
        return False
    return True
