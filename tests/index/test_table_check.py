"""Every byte of a table file is looked at: flips, cuts and exchanged blocks are all noticed."""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import pytest
from rocksdict import (
    BlockBasedOptions,
    BottommostLevelCompaction,
    ChecksumType,
    CompactOptions,
    Options,
    Rdict,
)

from kiwi_engine.checksum import crc32c
from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.index.block_compression import decompress_block
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.index.settings import MEBIBYTE, IndexSettings
from kiwi_engine.index.table_check import check_table
from kiwi_engine.index.table_format import (
    FOOTER_BYTES,
    INDEX_NAME,
    PARTITIONED_FILTER_PREFIX,
    PROPERTIES_NAME,
    Handle,
    UnknownTableError,
    decode_footer,
    final_checksum,
    has_two_levels,
    index_handles,
    metaindex_handles,
)

SETTINGS = IndexSettings(
    block_cache_bytes=MEBIBYTE,
    write_buffer_bytes=8 * MEBIBYTE,
    bottommost_compression="zstd",
)
STEP = int(os.environ.get("TABLE_FLIP_STEP", "61"))


def damages(path: Path) -> list[CorruptionError]:
    return list(check_table(PosixFileSystem(), str(path), lambda reached: None))


def make_table(path: Path, *, compact: bool = False, keys: int = 700) -> Path:
    """A table with every kind of block: data, filter, range deletions, properties, index."""
    chance = random.Random(3)
    index = RocksIndex.open(str(path), SETTINGS)
    rows = [(b"a long common prefix %05d" % n, chance.randbytes(40)) for n in range(keys)]
    index.write(rows, [])
    index.write([], [(b"a long common prefix 00100", b"a long common prefix 00200")])
    index.flush()
    if compact:
        forced = CompactOptions()
        forced.set_bottommost_level_compaction(BottommostLevelCompaction.force())
        index._database.compact_range(None, None, forced)
    (table,) = index.tables()
    index.close()
    return Path(table)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_table(tmp_path_factory.mktemp("index") / "index")


@pytest.fixture
def copy(table: Path, tmp_path: Path) -> Path:
    return tmp_path / table.name


@pytest.mark.parametrize("compact", [False, True], ids=["LZ4", "Zstandard"])
def test_an_intact_table(tmp_path: Path, compact: bool) -> None:
    path = make_table(tmp_path / "index", compact=compact)
    reached: list[int] = []
    assert list(check_table(PosixFileSystem(), str(path), reached.append)) == []
    assert reached == sorted(reached)
    assert reached[-1] == path.stat().st_size - FOOTER_BYTES
    assert len(reached) > 10, "blocks"


def test_index_and_filter_are_in_partitions(tmp_path: Path) -> None:
    """As a whole they would not fit into a shard of a small cache."""
    path = make_table(tmp_path / "index", keys=20_000)
    whole = path.read_bytes()
    footer = decode_footer(whole[-FOOTER_BYTES:], len(whole) - FOOTER_BYTES)
    others = metaindex_handles(content(whole, footer.metaindex))
    assert has_two_levels(content(whole, others[PROPERTIES_NAME]))
    partitions = list(index_handles(content(whole, others[INDEX_NAME])))
    (filter_index,) = [
        handle for name, handle in others.items() if name.startswith(PARTITIONED_FILTER_PREFIX)
    ]
    filters = list(index_handles(content(whole, filter_index)))
    assert len(partitions) > 3
    assert len(filters) > 3
    assert max(handle.length for handle in (*partitions, *filters)) < 8192
    assert damages(path) == []
    # In the middle of a partition of each kind.
    for handle, words in ((partitions[2], "cannot be found"), (filters[2], "checksum mismatch")):
        damaged = bytearray(whole)
        damaged[handle.offset + handle.length // 2] ^= 1
        path.write_bytes(damaged)
        (damage,) = damages(path)
        assert damage.offset == handle.offset
        assert words in damage.reason


def content(table: bytes, handle: Handle) -> bytes:
    """A block of `table`, decompressed."""
    end = handle.offset + handle.length
    return decompress_block(table[end], table[handle.offset : end])


def test_every_flipped_byte_is_noticed(table: Path, copy: Path) -> None:
    """Each place once, with another bit from place to place; the end, which is dense, wholly."""
    whole = table.read_bytes()
    content = bytearray(whole)
    places = [*range(0, len(whole), STEP), *range(len(whole) - FOOTER_BYTES - 200, len(whole))]
    for place in places:
        content[place] ^= 1 << place % 8
        copy.write_bytes(content)
        content[place] = whole[place]
        try:
            found = damages(copy)
        except UnknownTableError:
            assert place >= len(whole) - FOOTER_BYTES, place
            continue
        assert found, f"the flip at {place} went unnoticed"
        assert all(damage.offset <= place for damage in found), place


def test_every_cut_is_noticed(table: Path, copy: Path) -> None:
    whole = table.read_bytes()
    for length in [*range(100), *range(100, len(whole), 97), len(whole) - 1]:
        copy.write_bytes(whole[:length])
        assert damages(copy), length


def test_bytes_between_blocks_are_noticed(table: Path, copy: Path) -> None:
    """The footer still fits, so what is in front of it moves away from where it should be."""
    whole = table.read_bytes()
    for place in (0, 1000, len(whole) - FOOTER_BYTES):
        copy.write_bytes(whole[:place] + b"\x00" + whole[place:])
        assert damages(copy), place


def test_a_block_of_another_table_is_noticed(table: Path, copy: Path, tmp_path: Path) -> None:
    """Its own checksum is right, and it has the right length."""
    other = make_table(tmp_path / "other").read_bytes()
    whole = table.read_bytes()
    assert len(other) == len(whole)
    first_block_bytes = next(i for i in range(len(whole)) if whole[i] != other[i])
    # Equal content up to the first checksum, which differs by the context of the table.
    copy.write_bytes(other[: first_block_bytes + 4] + whole[first_block_bytes + 4 :])
    assert [damage.offset for damage in damages(copy)] == [0]


# ---- tables whose checksums are right and whose structure is not

CONTEXT = 0x1234


def block(data: bytes, offset: int) -> bytes:
    """`data` and its trailer, not compressed."""
    checksum = final_checksum(crc32c(data + b"\x00"), CONTEXT, offset)
    return data + struct.pack("<BI", 0, checksum)


def handles(named: dict[bytes, tuple[int, int]], *, with_length: bool) -> bytes:
    """A block of handles; all numbers are below 128."""
    rows = b""
    for name, handle in named.items():
        length = b"\x02" if with_length else b""
        rows += b"\x00" + bytes([len(name)]) + length + name + bytes(handle)
    return rows + struct.pack("<II", 0, 1)


def small_table(data_at: int, *, index_name: bytes = b"rocksdb.index") -> bytes:
    """One data block of 11 bytes, which the index says is at `data_at`; index; metaindex."""
    data = block(b"data" + bytes(7), 0)
    index = block(handles({b"k": (data_at, 11)}, with_length=False), len(data))
    at = len(data) + len(index)
    places = {index_name: (len(data), len(index) - 5)}
    metaindex = block(handles(places, with_length=True), at)
    content = data + index + metaindex
    fields = (1, b"\x3e\x00\x7a\x00", 0, CONTEXT, len(metaindex) - 5, bytes(24), 6)
    footer = bytearray(struct.pack("<B4sIII24sIQ", *fields, 0x88E241B785F4CFF7))
    footer[5:9] = struct.pack("<I", final_checksum(crc32c(footer), CONTEXT, len(content)))
    return content + footer


@pytest.mark.parametrize(
    ("content", "reasons"),
    [
        (small_table(0), []),
        (small_table(1), ["leave a gap", "checksum mismatch", "leave a gap"]),
        (small_table(100), ["leave a gap", "leave a gap", "beyond the table"]),
        (small_table(0, index_name=b"another.index"), ["no index"]),
    ],
)
def test_structure(copy: Path, content: bytes, reasons: list[str]) -> None:
    copy.write_bytes(content)
    found = [damage.reason for damage in damages(copy)]
    assert len(found) == len(reasons), found
    assert all(words in reason for words, reason in zip(reasons, found, strict=True)), found


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        damages(tmp_path / "absent.sst")


def test_a_table_with_other_checksums_is_not_judged(tmp_path: Path) -> None:
    blocks = BlockBasedOptions()
    blocks.set_checksum_type(ChecksumType.xxh3())
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(blocks)
    database = Rdict(str(tmp_path / "db"), options)
    database[b"a"] = b"1"
    database.flush()
    (file,) = database.live_files()
    database.close()
    with pytest.raises(UnknownTableError, match="checksum type 4"):
        damages(Path(f"{tmp_path}/db{file['name']}"))
