"""The payload of a record: golden bytes, a round trip, and what is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.commit.changes import CHANGES_VERSION, Changes, decode_changes, encode_changes
from kiwi_engine.commit.group import Entry
from kiwi_engine.vlog.separated import LargeValue, Separated

POINTER = bytes(range(20))
COMMITTED_MS = 1_700_000_000_000
GOLDEN = bytes.fromhex(
    "94 02 cf 0000018bcfe56800"  # version 2; 2023-11-14T22:13:20Z
    "91 92 c4 01 61 c4 01 62"  # one range, "a" to "b"
    "83 c4 01 6b c4 01 76"  # three changes: "k" is "v"
    "c4 01 64 c0"  # "d" is deleted
    "c4 01 6c 92 c4 14 000102030405060708090a0b0c0d0e0f10111213 c4 02 6869"  # "l": pointer, "hi"
)


def golden_entries() -> dict[bytes, Entry]:
    return {b"k": b"v", b"d": None, b"l": Separated(POINTER, b"hi")}


def comparable(entries: dict[bytes, Entry]) -> dict[bytes, object]:
    return {k: (e.pointer, e.head) if isinstance(e, Separated) else e for k, e in entries.items()}


def test_golden_bytes() -> None:
    assert encode_changes(COMMITTED_MS, [(b"a", b"b")], golden_entries()) == GOLDEN
    changes = decode_changes(GOLDEN)
    assert changes.committed_ms == COMMITTED_MS
    assert changes.ranges == [(b"a", b"b")]
    assert comparable(changes.entries) == comparable(golden_entries())


def test_a_large_value_is_encoded_as_its_pointer_and_head() -> None:
    large = LargeValue(b"0123456789abcdef and the rest")
    large.pointer = POINTER
    (entry,) = decode_changes(encode_changes(0, [], {b"k": large})).entries.values()
    assert isinstance(entry, Separated)
    assert (entry.pointer, entry.head) == (POINTER, b"0123456789abcdef")


def test_a_large_value_without_a_pointer_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="the value log is written before"):
        encode_changes(0, [], {b"k": LargeValue(b"v")})


@given(
    st.integers(0, 2**63),
    st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=3),
    st.dictionaries(st.binary(max_size=9), st.none() | st.binary(max_size=300), max_size=9),
)
def test_round_trip(
    committed_ms: int, ranges: list[tuple[bytes, bytes]], entries: dict[bytes, Entry]
) -> None:
    changes = decode_changes(encode_changes(committed_ms, ranges, entries))
    assert changes == Changes(committed_ms, ranges, entries)


@pytest.mark.parametrize("cut", range(len(GOLDEN)))
def test_a_payload_that_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(ValueError, match="not a changes payload"):
        decode_changes(GOLDEN[:cut])


def test_another_version_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="changes version 3; this build reads 2"):
        decode_changes(msgspec.msgpack.encode((3, 0, [], {})))


@given(st.binary(max_size=40))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    try:
        decode_changes(data)
    except ValueError:
        pass


def test_a_pointer_of_another_length_is_refused() -> None:
    payload = msgspec.msgpack.encode((CHANGES_VERSION, 0, [], {b"k": (POINTER[:19], b"head")}))
    with pytest.raises(ValueError, match="a pointer of 19 bytes"):
        decode_changes(payload)
