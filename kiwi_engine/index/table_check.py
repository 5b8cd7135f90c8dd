"""Checking a RocksDB table file completely, every byte of it (shell; reads only).

Reading all keys through RocksDB does not: it passes over blocks whose keys a range deletion covers,
and never looks at some others. Here the blocks are found through the table's own index, they must
lie side by side from the first byte to the footer, and each one's checksum is checked. Memory is
bounded by a window and the places of the blocks of one table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.read_ahead import ReadAhead
from kiwi_engine.index.block_compression import decompress_block
from kiwi_engine.index.table_format import (
    FOOTER_BYTES,
    INDEX_NAME,
    PARTITIONED_FILTER_PREFIX,
    PROPERTIES_NAME,
    TRAILER_BYTES,
    Footer,
    Handle,
    UnknownTableError,
    decode_footer,
    decode_trailer,
    final_checksum,
    has_two_levels,
    index_handles,
    metaindex_handles,
)


def check_table(
    fs: FileSystem, path: str, reached: Callable[[int], None]
) -> Iterator[CorruptionError]:
    """The damaged places of the table at `path`; none if all of it is as it was written.

    `reached` is told how many bytes are done. `UnknownTableError` for a table of another kind.
    """
    file = fs.open(path, writable=False)
    try:
        yield from _Table(ReadAhead(file), path, file.size()).damages(reached)
    finally:
        file.close()


class _Table:
    """One open table."""

    def __init__(self, ahead: ReadAhead, path: str, size: int) -> None:
        self._ahead = ahead
        self._path = path
        self._footer_at = max(0, size - FOOTER_BYTES)
        self._context = 0

    def damages(self, reached: Callable[[int], None]) -> Iterator[CorruptionError]:
        try:
            handles = self._handles()
        except CorruptionError as damage:
            yield damage
            return
        # The last one is the metaindex, which ends at the footer: nothing is left out behind it.
        end = 0
        for handle in sorted(handles):
            if handle.offset != end:
                reason = f"blocks leave a gap: the next one begins at offset {handle.offset}"
                yield CorruptionError(self._path, end, reason)
            end = handle.end
            reached(end)
            try:
                self._kind(handle)
            except ValueError as damage:
                yield CorruptionError(self._path, handle.offset, str(damage))

    def _handles(self) -> list[Handle]:
        """The places of all blocks; `CorruptionError` if they cannot be found."""
        offset = self._footer_at
        try:
            footer = decode_footer(self._ahead.read(FOOTER_BYTES, offset), offset)
            offset = footer.metaindex.offset
            others = self._metaindex(footer)
            index = others.get(INDEX_NAME)
            if index is None:
                raise ValueError("the table has no index")
            offset = index.offset
            top = list(index_handles(self._content(index)))
            found = [*others.values(), footer.metaindex, *top]
            if self._has_two_levels(others):
                for partition in top:
                    offset = partition.offset
                    found += index_handles(self._content(partition))
            for name, handle in others.items():
                if name.startswith(PARTITIONED_FILTER_PREFIX):
                    offset = handle.offset
                    found += index_handles(self._content(handle))
            return found
        except UnknownTableError:
            raise
        except ValueError as damage:
            reason = f"{damage}; what the table holds cannot be found"
            raise CorruptionError(self._path, max(offset, 0), reason) from damage

    def _has_two_levels(self, others: dict[bytes, Handle]) -> bool:
        properties = others.get(PROPERTIES_NAME)
        return properties is not None and has_two_levels(self._content(properties))

    def _metaindex(self, footer: Footer) -> dict[bytes, Handle]:
        self._context = footer.context
        return metaindex_handles(self._content(footer.metaindex))

    def _content(self, handle: Handle) -> bytes:
        kind = self._kind(handle)
        return decompress_block(kind, self._ahead.read(handle.length, handle.offset))

    def _kind(self, handle: Handle) -> int:
        """How the block is compressed; `ValueError` unless it is as it was written."""
        if handle.offset < 0 or handle.end > self._footer_at:
            raise ValueError("a block that reaches beyond the table")
        trailer = self._ahead.read(TRAILER_BYTES, handle.offset + handle.length)
        kind, checksum = decode_trailer(trailer)
        crc = self._ahead.checksum(handle.length + 1, handle.offset, 0)
        if checksum != final_checksum(crc, self._context, handle.offset):
            raise ValueError("block checksum mismatch")
        return kind
