"""Compression inside of strings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.errors import PayloadError
from kiwi_engine.rdb import lzf
from kiwi_engine.rdb.checksum import crc64
from tests.rdb.strategies import texts


def test_the_checksum_is_that_of_redis() -> None:
    assert crc64(b"") == 0
    assert crc64(b"123456789") == 0xE9C6D914C4B8D9CA


@given(texts)
def test_what_was_compressed_unfolds_again(data: bytes) -> None:
    small = lzf.compress(data, len(data) - 4)
    if small is not None:
        assert len(small) <= len(data) - 4
        assert lzf.decompress(small, len(data)) == data


@pytest.mark.parametrize("size", [21, 100, 263, 264, 265, 266, 267, 1000, 8192, 8300])
def test_runs_become_small(size: int) -> None:
    small = lzf.compress(b"x" * size, size - 4)
    assert small is not None and len(small) < 20 + size // 80
    assert lzf.decompress(small, size) == b"x" * size


@pytest.mark.parametrize(("distance", "is_found"), [(8192, True), (8193, False)])
def test_a_repetition_is_found_as_far_as_a_reference_reaches(distance: int, is_found: bool) -> None:
    start, filler = bytes(range(200, 208)), bytes(range(128)) * 65
    data = b"." + start + filler[: distance - len(start)] + start
    small = lzf.compress(data, 2 * len(data))
    assert small is not None and lzf.decompress(small, len(data)) == data
    assert small.endswith(start) == (not is_found)


def test_data_without_repetitions_stays_as_it_is() -> None:
    assert lzf.compress(bytes(range(256)), 252) is None
    assert lzf.compress(b"abc", 0) is None


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"\x02ab", 3),  # a literal of three bytes that has two
        (b"\x20\x00", 3),  # refers to before the beginning
        (b"\x00a\x20", 4),  # ends inside a reference
        (b"\x00a\xe0\x01", 9),  # ends inside a long one
        (b"\x00a", 2),  # less than announced
        (b"\x01ab", 1),  # more than announced
        (b"\x00a\xe0\xff\x00", 10),  # much more
        (b"", 1),
    ],
)
def test_damaged_data_is_refused(data: bytes, size: int) -> None:
    with pytest.raises(PayloadError):
        lzf.decompress(data, size)


@given(st.binary(max_size=60), st.integers(0, 2**64))
def test_any_bytes_are_data_or_refused(data: bytes, size: int) -> None:
    try:
        assert len(lzf.decompress(data, size)) == size
    except PayloadError:
        pass
