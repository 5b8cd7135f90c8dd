"""The footer, and what clients may send in place of a payload."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.errors import PayloadError
from kiwi_engine.rdb import encode, encode_stream, kinds, listpack, payload, wire
from kiwi_engine.rdb.checksum import crc64
from kiwi_engine.rdb.encode import Encoded, NodeLimit
from kiwi_engine.rdb.encode_stream import StreamNodeLimit
from kiwi_engine.rdb.values import (
    RdbConsumer,
    RdbGroup,
    RdbHash,
    RdbList,
    RdbPending,
    RdbStream,
    RdbValue,
)
from kiwi_engine.rdb.wire import Reader
from tests.rdb.old_forms import pack_ziplist, pack_zipmap
from tests.support.hexdump import examples

FIELDS = [(b"a", b"1"), (b"b", b"hello hello hello hello hello hello")]
STREAM = RdbStream(
    3,
    [((5, 0), (b"a", b"1")), ((5, 1), (b"a", b"2")), ((7, 0), (b"b", b"3", b"c", b"4"))],
    (5, 0),
    (9, 0),
    (6, 0),
    4,
    [
        RdbGroup(
            b"group",
            (5, 1),
            2,
            [RdbConsumer(b"alice", 100, 90), RdbConsumer(b"bob", 80, -1)],
            {(5, 0): RdbPending(b"alice", 70, 2), (5, 1): RdbPending(b"bob", 71, 1)},
        )
    ],
)
SOUND: dict[str, Encoded] = {
    "string": encode.string(b"hello " * 20),
    "integer": encode.string(b"-70000"),
    "list": encode.list_of([b"a", b"1", b"x" * 99], NodeLimit(2, 50)),
    "set": encode.set_of([b"a", b"b"]),
    "set listpack": encode.set_listpack([b"2", b"1", b"a"]),
    "intset": encode.intset([-1, 300]),
    "sorted set": encode.sorted_set([(b"b", 2.5), (b"a", 1.0)]),
    "sorted set listpack": encode.sorted_set_listpack([(b"a", b"1"), (b"b", b"2.5")]),
    "hash": encode.hash_of(FIELDS),
    "hash listpack": encode.hash_listpack(FIELDS),
    "expiring hash": encode.expiring_hash([(*pair, 5) for pair in FIELDS], 5),
    "expiring hash listpack": encode.expiring_hash_listpack([(*pair, 5) for pair in FIELDS]),
    "stream": encode_stream.stream(STREAM, StreamNodeLimit(2, 0)),
    "ziplists": Encoded(
        bytes((kinds.LIST_QUICKLIST_ZIPLISTS, 1)) + wire.Strings(0).pack(pack_ziplist([b"a", b"7"]))
    ),
    "zipmap": Encoded(
        bytes((kinds.HASH_ZIPMAP,)) + wire.Strings(0).pack(pack_zipmap([b"a", b"7"]))
    ),
    "valkey hash": Encoded(
        bytes((kinds.HASH_VALKEY, 1)) + b"\x01a\x01b" + struct.pack("<q", 5), kinds.VERSION_VALKEY
    ),
}


def decoded(body: bytes, version: int = kinds.VERSION_LISTPACKS) -> RdbValue:
    return payload.unseal(payload.seal(Encoded(body, version)))


def test_the_example_of_the_document_is_what_is_written() -> None:
    (example,) = examples("rdb.md")
    assert payload.seal(encode.hash_listpack([(b"name", b"kiwi"), (b"age", b"7")])) == example
    assert payload.unseal(example) == RdbHash({b"name": b"kiwi", b"age": b"7"}, {})


@pytest.mark.parametrize("version", [0, 1, 11, 12, 80, 81])
def test_known_versions_are_read(version: int) -> None:
    assert payload.is_sound(payload.seal(Encoded(b"\x00\x01a", version)))


@pytest.mark.parametrize("version", [13, 79, 82, 65535])
def test_unknown_versions_are_not(version: int) -> None:
    assert not payload.is_sound(payload.seal(Encoded(b"\x00\x01a", version)))


def test_a_changed_byte_is_noticed() -> None:
    sealed = payload.seal(encode.string(b"hello"))
    assert payload.is_sound(sealed)
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        assert not payload.is_sound(bytes(changed)), at


@given(st.binary(max_size=40))
def test_any_bytes_are_no_payload(data: bytes) -> None:
    assert payload.is_sound(data) == (
        len(data) >= 10 and crc64(data[:-8]) == int.from_bytes(data[-8:], "little")
    )


def test_the_numbers_of_types_mean_what_the_writer_meant() -> None:
    """Type 22 is Valkey's hash with deadlines, and something unfinished in Redis."""
    body = SOUND["valkey hash"].body
    assert decoded(body, 80) == RdbHash({b"a": b"b"}, {b"a": 5})
    with pytest.raises(PayloadError, match="type 22 of version 12"):
        decoded(body, 12)
    with pytest.raises(PayloadError, match="type 24 of version 80"):
        decoded(SOUND["expiring hash"].body, 80)


@pytest.mark.parametrize("kind", [6, 7, 8, 23, 26, 100, 255])
def test_types_of_modules_and_unknown_ones_are_refused(kind: int) -> None:
    with pytest.raises(PayloadError):
        decoded(bytes((kind, 1)) + b"\x01a" * 9)


EMPTY = [b"\x01\x00", b"\x02\x00", b"\x04\x00", b"\x05\x00", b"\x12\x00", b"\x12\x01\x02\x07"]
TWICE = [
    b"\x02\x02\x01a\x01a",
    b"\x04\x02\x01a\x01b\x01a\x01c",
    b"\x05\x02\x01a" + bytes(8) + b"\x01a" + bytes(8),
    b"\x03\x02\x01a\x011\x01a\x012",
    b"\x0b\x0c" + struct.pack("<IIhh", 2, 2, 7, 7),
]
WRONG = [
    b"",
    b"\x00",
    b"\x00\x05abc",
    b"\x00\xc4a",  # no such form of a string
    b"\x00\x82",  # no such form of a length
    b"\x00\xc3\x02\x05\x01",  # compressed, cut off
    b"\x01\x81" + b"\xff" * 8,  # so many elements
    b"\x12\x01\x03\x01a",  # no such container
    b"\x0b\x0a" + struct.pack("<IIh", 3, 1, 7),  # no such width
    b"\x0b\x0c" + struct.pack("<IIhh", 2, 2, 8, 7),  # not in order
    b"\x0b\x0a" + struct.pack("<IIh", 2, 2, 7),  # not all there
    b"\x03\x01\x01a\xfd",  # a score that is no number
    b"\x03\x01\x01a\x03abc",
    b"\x14\x07" + listpack.pack([]),
    b"\x10\x09" + listpack.pack([1]),  # half a pair
    b"\x0d\x0b" + pack_ziplist([]),
    b"\x14\x09" + listpack.pack([1])[:6] + b"\xf5\x01\xff",  # no such form of an element
]


@pytest.mark.parametrize("body", [*EMPTY, *TWICE, *WRONG], ids=bytes.hex)
def test_what_is_no_value_is_refused(body: bytes) -> None:
    with pytest.raises(PayloadError):
        decoded(body)


def test_scores_as_text_know_infinity() -> None:
    reader = Reader(b"\xfe\xff\x041e-3")
    assert [reader.double_text() for _ in range(3)] == [float("inf"), float("-inf"), 0.001]


def test_strings_unfold_within_the_budget_only() -> None:
    """A payload of some kilobytes could otherwise ask for gigabytes."""
    elements = [b"x" * 1000] * 40
    packed = [encode.string(element).body[1:] for element in elements]
    sealed = payload.seal(Encoded(b"\x01\x28" + b"".join(packed)))
    assert len(sealed) < 1000
    assert payload.unseal(sealed, 40_000) == RdbList(elements)
    with pytest.raises(PayloadError, match="unfold to too much"):
        payload.unseal(sealed, 39_999)


@pytest.mark.parametrize("elements", [[b"a", b"1"], [b"a", b"1", b"x"], [b"a", b"1", b"-5"]])
def test_deadlines_must_be_numbers(elements: list[bytes]) -> None:
    packed = wire.Strings().pack(listpack.pack(elements))
    with pytest.raises(PayloadError):
        decoded(b"\x19" + wire.milliseconds(5) + packed, kinds.VERSION_EXPIRING)
    with pytest.raises(PayloadError, match="out of range"):
        decoded(b"\x16\x01\x01a\x01b" + wire.milliseconds(-2), kinds.VERSION_VALKEY)


def test_groups_and_their_consumers_must_agree() -> None:
    body = SOUND["stream"].body
    assert decoded(body) == STREAM
    alice = body.index(b"\x05alice")
    first_id, second_id = struct.pack(">QQ", 5, 0), struct.pack(">QQ", 5, 1)
    for changed in (
        body[:alice] + b"\x05bobby" + body[alice + 6 :].replace(b"\x03bob", b"\x05bobby"),
        body[:alice] + body[alice:].replace(first_id, second_id),
        body[:alice].replace(first_id, second_id) + body[alice:],
        body[:-17] + b"\x00",  # an entry that nobody has
    ):
        with pytest.raises(PayloadError):
            decoded(changed)


@pytest.mark.parametrize("name", SOUND)
def test_every_cut_is_noticed(name: str) -> None:
    encoded = SOUND[name]
    decoded(encoded.body, encoded.version)
    for end in range(len(encoded.body)):
        with pytest.raises(PayloadError):
            decoded(encoded.body[:end], encoded.version)


@pytest.mark.parametrize("name", SOUND)
@given(st.data())
def test_changed_bytes_are_values_or_refused(name: str, data: st.DataObject) -> None:
    encoded = SOUND[name]
    changed = bytearray(encoded.body)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded(bytes(changed), encoded.version)
    except PayloadError:
        pass


@given(st.integers(0, 30), st.binary(max_size=60), st.sampled_from([10, 12, 80]))
def test_any_bytes_are_a_value_or_refused(kind: int, rest: bytes, version: int) -> None:
    try:
        decoded(bytes((kind,)) + rest, version)
    except PayloadError:
        pass
