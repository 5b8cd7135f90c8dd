"""Rows of small strings: listpacks, and the ziplists and zipmaps before them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.errors import PayloadError
from kiwi_engine.rdb import listpack, ziplist
from tests.rdb.old_forms import pack_ziplist, pack_zipmap
from tests.rdb.strategies import numbers, texts


@given(st.lists(texts))
def test_what_was_packed_unpacks_again(elements: list[bytes]) -> None:
    assert listpack.unpack(listpack.pack(elements)) == elements


@given(numbers)
def test_an_integer_is_the_same_as_its_text(number: int) -> None:
    if -(2**63) <= number < 2**63:
        assert listpack.pack([number]) == listpack.pack([b"%d" % number])


def test_the_bytes_are_those_of_the_specification() -> None:
    elements: list[bytes | int] = [b"hello", 17, b"-1", 4095, 300_000, b"x" * 64]
    assert listpack.pack(elements).hex(" ", 1) == (
        "5e 00 00 00 06 00 "  # 94 bytes, 6 elements
        "85 68 65 6c 6c 6f 06 "
        "11 01 "
        "df ff 02 "
        "cf ff 02 "
        "f2 e0 93 04 04 " + "e0 40 " + "78 " * 64 + "42 ff"
    )


@pytest.mark.parametrize("size", [125, 126, 127, 128, 16378, 16381, 16382, 2097145, 2097146])
def test_elements_around_the_bounds_of_their_lengths(size: int) -> None:
    elements = [b"a", b"x" * size, b"z"]
    assert listpack.unpack(listpack.pack(elements)) == elements


def test_more_elements_than_the_header_can_count() -> None:
    packed = listpack.pack([b"1"] * 70_000)
    assert packed[4:6] == b"\xff\xff"
    assert listpack.unpack(packed) == [b"1"] * 70_000


@given(st.lists(texts, max_size=30))
def test_ziplists_are_read(elements: list[bytes]) -> None:
    assert ziplist.unpack(pack_ziplist(elements)) == elements


@given(st.lists(texts, max_size=10))
def test_zipmaps_are_read(elements: list[bytes]) -> None:
    elements = elements[: len(elements) // 2 * 2]
    assert ziplist.unpack_map(pack_zipmap(elements)) == elements


SOUND = [
    (listpack.unpack, listpack.pack([b"a", b"2", b"x" * 100, b"-70000", b"y" * 5000])),
    (ziplist.unpack, pack_ziplist([b"a", b"2", b"x" * 100, b"-70000", b"y" * 300])),
    (ziplist.unpack_map, pack_zipmap([b"a", b"2", b"x" * 300, b"y"])),
]


@pytest.mark.parametrize(("unpack", "packed"), SOUND, ids=["listpack", "ziplist", "zipmap"])
def test_every_cut_is_noticed(unpack: Callable[[bytes], list[bytes]], packed: bytes) -> None:
    assert unpack(packed)
    for end in range(len(packed)):
        with pytest.raises(PayloadError):
            unpack(packed[:end])
    with pytest.raises(PayloadError):
        unpack(packed + b"\xff")


@pytest.mark.parametrize(("unpack", "packed"), SOUND, ids=["listpack", "ziplist", "zipmap"])
@given(st.data())
def test_changed_bytes_are_elements_or_refused(
    unpack: Callable[[bytes], list[bytes]], packed: bytes, data: st.DataObject
) -> None:
    changed = bytearray(packed[:120] + packed[-120:])
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert sum(map(len, unpack(bytes(changed)))) <= 20 * len(changed)
    except PayloadError:
        pass
