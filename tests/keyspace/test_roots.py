"""Roots of collections as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.errors import CorruptionError
from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.spread.roots import (
    ENCODING_NAMES,
    HASHTABLE,
    HASHTABLE_EX,
    INTSET,
    LISTPACK_EX,
    SKIPLIST,
    Root,
    decode_root,
    encode_root,
    field_deadline_of,
    version_of,
)

kinds = st.integers(encoding.STRING_KIND, encoding.STREAM_KIND)
encodings = st.integers(0, len(ENCODING_NAMES) - 1)
deadlines = st.sampled_from([0]) | st.integers(1, encoding.DEADLINE_MS_MAX)
numbers = st.integers(1, 2**64 - 1)
packed = st.builds(Root, kinds, encodings, st.binary(max_size=20), deadlines)
spread = st.builds(
    Root, kinds, encodings, st.binary(max_size=20), deadlines, version=numbers, count=numbers
)


@given(packed | spread)
def test_a_root_comes_back_as_it_was(root: Root) -> None:
    value = encode_root(root)
    assert decode_root(value) == root
    assert encoding.kind_of(value) == root.kind
    assert encoding.deadline_of(value) == root.deadline_ms
    assert encoding.is_spread(value) == bool(root.version)
    assert version_of(value) == root.version


@given(packed | spread, deadlines)
def test_a_deadline_can_be_changed_without_decoding(root: Root, deadline_ms: int) -> None:
    value = encoding.with_deadline(encode_root(root), deadline_ms)
    root.deadline_ms = deadline_ms
    assert decode_root(value) == root
    assert encode_root(root) == value


@given(spread)
def test_the_version_is_in_the_head(root: Root) -> None:
    """Deleting a collection reads nothing but the first bytes of its value."""
    assert version_of(encode_root(root)[:18]) == root.version


def test_the_bytes_are_these() -> None:
    root = Root(encoding.SET_KIND, INTSET, b"body")
    assert encode_root(root).hex() == "0402" + b"body".hex()
    root.deadline_ms = 0x0102
    assert encode_root(root).hex() == "05000000000000010202" + b"body".hex()
    root = Root(encoding.SORTED_SET_KIND, SKIPLIST, b"more", version=0x0A, count=0x0B)
    assert encode_root(root).hex() == "1603000000000000000a000000000000000b" + (b"more".hex())
    root.deadline_ms = 0x0102
    assert encode_root(root).hex() == (
        "17000000000000010203000000000000000a000000000000000b" + b"more".hex()
    )


@given(spread)
def test_a_root_that_is_cut_short_is_damaged(root: Root) -> None:
    value = encode_root(root)
    shortest = len(value) - len(root.body)
    for length in range(1, shortest):
        with pytest.raises(CorruptionError, match="cut short"):
            decode_root(value[:length])
    with pytest.raises(CorruptionError, match="cut short"):
        decode_root(encode_root(Root(encoding.SET_KIND))[:1])


@pytest.mark.parametrize("version", [0, 7])
@pytest.mark.parametrize("deadline_ms", [0, 1_700_000_000_000])
def test_hashes_know_the_earliest_deadline_of_their_fields(version: int, deadline_ms: int) -> None:
    body = (1_700_000_000_123).to_bytes(8, "big") + b"rest"
    root = Root(encoding.HASH_KIND, HASHTABLE, body, deadline_ms, version)
    assert field_deadline_of(encode_root(root)) == 0
    for expiring in (LISTPACK_EX, HASHTABLE_EX):
        root.encoding = expiring
        assert field_deadline_of(encode_root(root)) == 1_700_000_000_123
