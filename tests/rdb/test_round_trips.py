"""Every value comes back from its payload as it was, in each of its forms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.errors import PayloadError
from kiwi_engine.rdb import encode, encode_stream, kinds, payload
from kiwi_engine.rdb.encode import Encoded, NodeLimit
from kiwi_engine.rdb.encode_stream import StreamNodeLimit
from kiwi_engine.rdb.values import (
    RdbHash,
    RdbList,
    RdbSet,
    RdbSortedSet,
    RdbStream,
    RdbString,
    RdbValue,
)
from kiwi_engine.rdb.wire import Reader, Strings, length
from tests.rdb.strategies import deadlines, numbers, scores, streams, texts

# Hypothesis shows each example; long elements make long ones.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


def reread(encoded: Encoded) -> RdbValue:
    sealed = payload.seal(encoded)
    assert payload.is_sound(sealed)
    return payload.unseal(sealed)


@given(st.integers(0, 2**64 - 1) | st.sampled_from([63, 64, 16383, 16384, 2**32 - 1, 2**32]))
def test_lengths(number: int) -> None:
    assert Reader(length(number)).length() == number


@given(texts)
def test_strings(text: bytes) -> None:
    assert reread(encode.string(text)) == RdbString(text)


def test_only_so_much_of_a_value_is_compressed() -> None:
    strings = Strings(compressed_bytes_max=250)
    sizes = [len(strings.pack(b"x" * 100)) for _ in range(4)]
    assert sizes[0] == sizes[1] < 20
    assert sizes[2] == sizes[3] == 102


@given(st.lists(texts, min_size=1, max_size=30), st.integers(1, 4), st.integers(20, 300))
def test_lists(elements: list[bytes], count_max: int, bytes_max: int) -> None:
    encoded = encode.list_of(elements, NodeLimit(count_max, bytes_max))
    assert reread(encoded) == RdbList(elements)


@pytest.mark.parametrize(
    ("setting", "limit"),
    [
        (0, NodeLimit(1, 8192)),
        (5, NodeLimit(5, 8192)),
        (-1, NodeLimit(2**63, 4096)),
        (-2, NodeLimit(2**63, 8192)),
        (-5, NodeLimit(2**63, 65536)),
        (-9, NodeLimit(2**63, 65536)),
    ],
)
def test_the_setting_bounds_the_nodes_of_a_list(setting: int, limit: NodeLimit) -> None:
    assert encode.node_limit(setting) == limit


@given(st.lists(texts, min_size=1, unique=True))
def test_sets(members: list[bytes]) -> None:
    assert reread(encode.set_of(members)) == RdbSet(members)


@given(st.lists(texts, min_size=1, unique=True))
def test_sets_in_listpacks(members: list[bytes]) -> None:
    """Where the first member is an integer, only the newer type keeps the order."""
    encoded = encode.set_listpack(members)
    is_newer = encoded.body[0] == kinds.SET_LISTPACK
    assert encoded.version == (11 if is_newer else 10)
    assert reread(encoded) == RdbSet(members, is_listpack=is_newer)


def test_the_older_type_of_sets_is_taken_where_it_loses_nothing() -> None:
    assert encode.set_listpack([b"a", b"2", b"1"]).body[0] == kinds.SET
    assert encode.set_listpack([b"2", b"1", b"a"]).body[0] == kinds.SET_LISTPACK


@given(st.sets(numbers.filter(lambda number: -(2**63) <= number < 2**63), min_size=1))
def test_intsets(members: set[int]) -> None:
    ordered = sorted(members)
    assert reread(encode.intset(ordered)) == RdbSet([b"%d" % member for member in ordered])


@given(st.dictionaries(texts, scores, min_size=1))
def test_sorted_sets(members: dict[bytes, float]) -> None:
    value = RdbSortedSet(members)
    assert reread(encode.sorted_set(members.items())) == value
    written = [(member, repr(score).encode()) for member, score in members.items()]
    assert reread(encode.sorted_set_listpack(written)) == value


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(PayloadError):
        reread(encode.sorted_set([(b"a", math.nan)]))
    with pytest.raises(PayloadError):
        reread(encode.sorted_set_listpack([(b"a", b"nan")]))


@given(st.dictionaries(texts, texts, min_size=1))
def test_hashes(fields: dict[bytes, bytes]) -> None:
    value = RdbHash(fields, {})
    assert reread(encode.hash_of(fields.items())) == value
    assert reread(encode.hash_listpack(fields.items())) == value


@given(st.dictionaries(texts, st.tuples(texts, deadlines | st.just(0)), min_size=1), texts)
def test_hashes_with_deadlines(drawn: dict[bytes, tuple[bytes, int]], expiring: bytes) -> None:
    drawn[expiring] = (b"", 1_700_000_000_000)
    fields = {field: value for field, (value, _) in drawn.items()}
    expected = {field: deadline for field, (_, deadline) in drawn.items() if deadline}
    triples = [(field, value, deadline) for field, (value, deadline) in drawn.items()]
    earliest_ms = min(expected.values())
    table = encode.expiring_hash(triples, earliest_ms)
    packed = encode.expiring_hash_listpack(triples)
    assert table.version == packed.version == kinds.VERSION_EXPIRING
    assert reread(table) == RdbHash(fields, expected)
    found = reread(packed)
    assert found == RdbHash(fields, expected)
    assert [*found.deadlines.values()] == sorted(expected.values())


@given(streams(), st.integers(1, 4), st.sampled_from([0, 100, 4096]))
def test_streams(stream: RdbStream, entries_max: int, bytes_max: int) -> None:
    encoded = encode_stream.stream(stream, StreamNodeLimit(entries_max, bytes_max))
    assert reread(encoded) == stream
    consumers = [consumer for group in stream.groups for consumer in group.consumers]
    says_more = any(consumer.active_ms != consumer.seen_ms for consumer in consumers)
    assert encoded.version == (11 if says_more else 10)
