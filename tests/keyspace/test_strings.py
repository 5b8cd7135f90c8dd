"""Strings in one piece and in pages, against a bytearray."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwi_engine.errors import CorruptionError, WrongTypeError
from kiwi_engine.keyspace.encoding import HASH_KIND, META_NEXT_VERSION, STRING_KIND, tally
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.keyspace.spread import versions
from kiwi_engine.keyspace.spread.roots import RAW, Root
from kiwi_engine.keyspace.strings.bits import (
    BitOperation,
    combine,
    count_bits,
    find_bit,
    read_bits,
    write_bits,
)
from kiwi_engine.keyspace.strings.pages import PAGE_BYTES_MAX, Pages, page_bytes_for
from kiwi_engine.keyspace.strings.strings import (
    PIECE_BYTES,
    PagedString,
    String,
    WholeString,
    open_or_new,
    open_string,
)
from kiwi_engine.testing.memory_store import MemoryStore
from tests.keyspace.helpers import NOW
from tests.support.worked_examples import documented_entries

KEY = b"b"
LARGE = 10**9
FORMS = pytest.mark.parametrize("paged_min_bytes", [LARGE, 12], ids=["whole", "paged"])


class Place:
    """A key of a database in memory, with its limits."""

    def __init__(self, paged_min_bytes: int = 12) -> None:
        self.store = MemoryStore(tally)
        self.keyspace = Keyspace(self.store, seed=1)
        self.keyspace.limits.paged_min_bytes = paged_min_bytes
        self.database = self.keyspace.database(0)

    def open(self) -> String:
        return open_or_new(self.database, KEY, NOW)

    def write(self, offset: int, data: bytes) -> String:
        string = self.open().resized(offset + len(data))
        string.write(offset, data)
        string.save()
        return string

    def pages(self) -> dict[int, bytes]:
        """The stored pages of the only version."""
        entries = self.store.snapshot()
        return {
            int.from_bytes(key[9:], "big"): value
            for key, value in entries.items()
            if key[:1] == versions.PAGES
        }


# Pages


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("page_bytes", [1, 3, 16])
def test_pages_against_a_bytearray(seed: int, page_bytes: int) -> None:
    random = Random(seed)
    store = MemoryStore(tally)
    pages, model = Pages(store, 7, page_bytes), bytearray(300)
    neighbour = Pages(store, 8, page_bytes)
    neighbour.write(0, b"x" * 40)
    for _ in range(100):
        begin = random.randrange(250)
        data = random.choice((bytes, random.randbytes))(random.randrange(40))
        pages.write(begin, data)
        model[begin : begin + len(data)] = data
        begin, end = sorted(random.choices(range(300), k=2))
        assert pages.read(begin, end) == model[begin:end]
        shown = bytearray(end - begin)
        for at, piece in pages.pieces(begin, end):
            assert piece, "a piece is never empty"
            assert begin <= at < at + len(piece) <= end
            shown[at - begin : at - begin + len(piece)] = piece
        assert shown == model[begin:end]
    assert neighbour.read(0, 41) == b"x" * 40 + b"\0"
    stored = [value for key, value in store.snapshot().items() if key < b"b" + bytes(7) + b"\x08"]
    assert all(page.rstrip(b"\0") == page and page for page in stored), "no zeros are stored"


@pytest.mark.parametrize(
    ("paged_min_bytes", "page_bytes"), [(1, 1), (3, 1), (12, 3), (4096, 1024), (2**20, 1024)]
)
def test_a_new_paged_string_has_several_pages(paged_min_bytes: int, page_bytes: int) -> None:
    assert page_bytes_for(paged_min_bytes) == page_bytes <= PAGE_BYTES_MAX


@pytest.mark.parametrize("body", [b"", b"\0\0\0", bytes(4), bytes(5)])
def test_a_root_without_a_page_size_is_damaged(body: bytes) -> None:
    root = Root(STRING_KIND, RAW, body, version=3, count=9)
    with pytest.raises(CorruptionError, match="paged string"):
        Pages.of(MemoryStore(tally), root)


# Strings


@FORMS
@pytest.mark.parametrize("seed", range(10))
def test_strings_against_a_bytearray(paged_min_bytes: int, seed: int) -> None:
    random = Random(seed)
    place, model = Place(paged_min_bytes), bytearray()
    for _ in range(60):
        offset, data = random.randrange(80), random.randbytes(random.randrange(1, 20))
        place.write(offset, data)
        model.extend(bytes(max(0, offset + len(data) - len(model))))
        model[offset : offset + len(data)] = data
        string = place.open()
        assert isinstance(string, PagedString) == (len(model) > paged_min_bytes)
        assert string.size == len(model)
        begin, end = random.randrange(120), random.randrange(120)
        assert string.read(begin, end) == model[begin:end]
        assert place.database.get(KEY, NOW) == bytes(model)


@FORMS
def test_a_string_keeps_its_deadline(paged_min_bytes: int) -> None:
    place = Place(paged_min_bytes)
    place.database.set_expiring(KEY, b"x", NOW + 50)
    place.write(30, b"y")
    place.write(60, b"z")
    assert place.database.deadline(KEY, NOW) == NOW + 50
    assert place.database.get_with_deadline(KEY, NOW) == (place.open().read(0, 61), NOW + 50)
    assert open_string(place.database, KEY, NOW + 51) is None
    place.keyspace.reclaimer.work(100)
    assert not place.pages()


def test_other_kinds_are_no_strings() -> None:
    place = Place()
    place.database.replace(KEY, Root(HASH_KIND, body=b"\x80"))
    with pytest.raises(WrongTypeError):
        open_string(place.database, KEY, NOW)
    with pytest.raises(WrongTypeError):
        place.database.get(KEY, NOW)


def test_a_bit_far_away_costs_one_page() -> None:
    place = Place(32 * 1024)
    place.write(500_000_000, b"\x80")
    (page, data), *others = place.pages().items()
    assert not others
    assert page == 500_000_000 // 1024
    assert data == bytes(500_000_000 % 1024) + b"\x80"
    string = place.open()
    assert string.size == 500_000_001
    assert count_bits(string, 0, 8 * string.size - 1) == 1
    assert find_bit(string, 1, 0, 8 * string.size - 1) == 4_000_000_000


def test_a_change_inside_of_a_paged_string_writes_one_page_only() -> None:
    place = Place()
    place.write(0, b"a" * 100)
    before = place.store.snapshot()
    place.write(50, b"b")
    after = place.store.snapshot()
    assert after.keys() == before.keys()
    (changed,) = [key for key in after if after[key] != before[key]]
    assert changed[:1] == versions.PAGES


def test_overwriting_a_paged_string_makes_it_whole_and_its_pages_go() -> None:
    place = Place()
    place.write(40, b"x")
    assert place.pages()
    place.database.set(KEY, b"short")
    assert isinstance(place.open(), WholeString)
    place.keyspace.reclaimer.work(100)
    assert not place.pages()


def test_pages_keep_the_size_that_they_were_written_with() -> None:
    place = Place(12)
    place.write(0, b"0123456789abcdef")
    place.keyspace.limits.paged_min_bytes = 4096
    place.write(5, b"-----")
    assert place.database.get(KEY, NOW) == b"01234-----abcdef"
    assert max(map(len, place.pages().values())) == page_bytes_for(12)


def test_the_worked_example_of_the_format_document() -> None:
    place = Place(8)
    place.write(0, b"abcd")
    place.write(11, b"\1")
    entries = place.store.snapshot()
    del entries[META_NEXT_VERSION]
    assert entries == documented_entries("if `paged-min-bytes` were 8")


def test_a_whole_string_is_looked_at_in_pieces() -> None:
    payload = Random(3).randbytes(3 * PIECE_BYTES + 5)
    string = WholeString(Place().database, KEY, payload, 0)
    pieces = dict(string.pieces(7, len(payload) + 100))
    assert len(pieces) == 3
    assert len(dict(string.pieces(0, len(payload)))) == 4
    assert b"".join(pieces.values()) == payload[7:]
    assert not list(string.pieces(9, 9))


# Bits


def _bits(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


contents = st.lists(
    st.sampled_from([b"\0", b"\xff", b"\x01", b"\x80", b"\0" * 9, b"\xff" * 9, b"\x5a"]), min_size=1
).map(b"".join)


@FORMS
@given(data=contents, ends=st.tuples(st.integers(0, 10**4), st.integers(0, 10**4)))
@settings(deadline=None, max_examples=200)
def test_counting_and_finding_bits(
    paged_min_bytes: int, data: bytes, ends: tuple[int, int]
) -> None:
    string = Place(paged_min_bytes).write(0, data)
    bits = _bits(data)
    first, last = sorted(end % len(bits) for end in ends)
    assert count_bits(string, first, last) == bits[first : last + 1].count("1")
    for bit in (0, 1):
        found = bits.find(str(bit), first, last + 1)
        assert find_bit(string, bit, first, last) == (None if found < 0 else found)


@FORMS
@given(
    data=contents,
    offset=st.integers(0, 200),
    width=st.integers(1, 64),
    number=st.integers(0, 2**64 - 1),
)
@settings(deadline=None, max_examples=200)
def test_reading_and_writing_bits(
    paged_min_bytes: int, data: bytes, offset: int, width: int, number: int
) -> None:
    string = Place(paged_min_bytes).write(0, data)
    end = offset + width
    padded = _bits(data).ljust(end, "0")
    assert read_bits(string, offset, width) == int(padded[offset:end], 2)
    string = string.resized(-(-end // 8))
    write_bits(string, offset, width, number & (1 << width) - 1)
    wanted = f"{number & (1 << width) - 1:0{width}b}"
    changed = _bits(string.read(0, string.size))
    assert changed == (padded[:offset] + wanted + padded[end:]).ljust(8 * string.size, "0")


@pytest.mark.parametrize("operation", BitOperation)
def test_combining(operation: BitOperation) -> None:
    random = Random(5)
    sources = [random.randbytes(size) for size in (9, 0, 12, 12)]
    sources = sources[:1] if operation is BitOperation.NOT else sources
    filled_up = [source.ljust(12, b"\0") for source in sources]
    columns = zip(*filled_up, strict=True)
    wanted = []
    for column in columns:
        byte = column[0] ^ 0xFF if operation is BitOperation.NOT else column[0]
        for other in column[1:]:
            byte = {
                BitOperation.AND: byte & other,
                BitOperation.OR: byte | other,
                BitOperation.XOR: byte ^ other,
            }[operation]
        wanted.append(byte)
    assert combine(operation, sources, 12) == bytes(wanted)
