"""Payloads between Kiwi's codec and real servers, both ways."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwi_engine.rdb import encode, encode_stream, kinds, payload, wire
from kiwi_engine.rdb.encode import Encoded
from kiwi_engine.rdb.values import (
    RdbHash,
    RdbList,
    RdbSet,
    RdbSortedSet,
    RdbStream,
    RdbString,
    RdbValue,
)
from tests.rdb.old_forms import pack_stream, pack_ziplist, pack_zipmap
from tests.rdb.strategies import numbers, texts
from tests.support.client import Client

# Hypothesis shows each example; long elements make long ones.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

# Of each property; every example is a few round trips to a server.
EXAMPLES: Final = 40
NODES: Final = encode.node_limit(-2)
STREAM_NODES: Final = encode_stream.StreamNodeLimit(100, 4096)


small_scores = st.floats(-(2.0**61), 2.0**61).map(lambda score: score or 0.0)


def dumped(server: Client) -> RdbValue:
    """What our codec reads in the server's payload of `key`."""
    sealed = server.command("DUMP", "key")
    assert payload.is_sound(sealed)
    return payload.unseal(sealed)


def give(server: Client, encoded: Encoded) -> None:
    """Make `key` of the server what our payload says."""
    assert server.command("RESTORE", "key", 0, payload.seal(encoded), "REPLACE") == b"OK"


def make(server: Client, *words: bytes | str | int) -> None:
    """Run one command that makes `key` anew."""
    server.command("DEL", "key")
    assert not isinstance(server.command(*words), Exception)


def is_same(server: Client, encoded: Encoded) -> bool:
    return bool(server.command("DUMP", "key") == payload.seal(encoded))


@settings(max_examples=4 * EXAMPLES)
@given(texts)
def test_strings_are_the_same_bytes(redis: Client, text: bytes) -> None:
    make(redis, "SET", "key", text)
    assert is_same(redis, encode.string(text))
    assert dumped(redis) == RdbString(text)


@settings(max_examples=EXAMPLES)
@given(st.lists(texts, min_size=1, max_size=40))
def test_lists_are_the_same_bytes(redis: Client, valkey: Client, elements: list[bytes]) -> None:
    encoded = encode.list_of(elements, NODES)
    make(redis, "RPUSH", "key", *elements)
    assert is_same(redis, encoded)
    assert dumped(redis) == RdbList(elements)
    give(valkey, encoded)
    assert valkey.command("LRANGE", "key", 0, -1) == elements
    assert dumped(valkey) == RdbList(elements)


@settings(max_examples=EXAMPLES)
@given(st.sets(numbers.filter(lambda number: -(2**63) <= number < 2**63), min_size=1))
def test_intsets_are_the_same_bytes(redis: Client, valkey: Client, members: set[int]) -> None:
    encoded = encode.intset(sorted(members))
    make(redis, "SADD", "key", *members)
    assert is_same(redis, encoded)
    give(valkey, encoded)
    assert dumped(valkey) == dumped(redis) == RdbSet([b"%d" % number for number in sorted(members)])


@settings(max_examples=EXAMPLES)
@given(st.lists(texts, min_size=1, max_size=40, unique=True))
def test_sets_are_exchanged(peer: Client, members: list[bytes]) -> None:
    give(peer, encode.set_of(members))
    assert sorted(peer.command("SMEMBERS", "key")) == sorted(members)
    value = dumped(peer)
    assert isinstance(value, RdbSet) and sorted(value.members) == sorted(members)


@settings(max_examples=EXAMPLES)
@given(st.dictionaries(texts, small_scores, min_size=1, max_size=40))
def test_sorted_sets_are_exchanged(peer: Client, members: dict[bytes, float]) -> None:
    words = [word for member, score in members.items() for word in (repr(score), member)]
    make(peer, "ZADD", "key", *words)
    assert dumped(peer) == RdbSortedSet(members)
    flat = peer.command("ZRANGE", "key", 0, -1, "WITHSCORES")
    printed = zip(flat[::2], flat[1::2], strict=True)
    # Large whole numbers are printed with an exponent and stored without.
    pairs = [
        (member, b"%d" % members[member] if members[member].is_integer() else text)
        for member, text in printed
    ]
    if peer.command("OBJECT", "ENCODING", "key") == b"listpack":
        assert peer.command("DUMP", "key")[:-10] == encode.sorted_set_listpack(pairs).body
    give(peer, encode.sorted_set_listpack(pairs))
    assert peer.command("ZRANGE", "key", 0, -1, "WITHSCORES") == flat
    descending = [(member, members[member]) for member in reversed(flat[::2])]
    give(peer, encode.sorted_set(descending))
    assert peer.command("ZRANGE", "key", 0, -1, "WITHSCORES") == flat


@settings(max_examples=EXAMPLES)
@given(st.dictionaries(texts, texts, min_size=1, max_size=40))
def test_hashes_are_exchanged(redis: Client, valkey: Client, fields: dict[bytes, bytes]) -> None:
    words = [word for pair in fields.items() for word in pair]
    packed, table = (
        encode.hash_listpack(fields.items()),
        encode.hash_of(fields.items()),
    )
    for server in (redis, valkey):
        make(server, "HSET", "key", *words)
        assert dumped(server) == RdbHash(fields, {})
        if server.command("OBJECT", "ENCODING", "key") == b"listpack":
            assert server.command("DUMP", "key")[:-10] == packed.body
        for encoded in (packed, table):
            give(server, encoded)
            got = server.command("HGETALL", "key")
            assert dict(zip(got[::2], got[1::2], strict=True)) == fields


def test_deadlines_of_valkey_fields_are_read(valkey: Client) -> None:
    make(valkey, "HSET", "key", "a", 1, "b", 2)
    assert valkey.command("HPEXPIREAT", "key", 4_000_000_000_000, "FIELDS", 1, "b") == [1]
    assert dumped(valkey) == RdbHash({b"a": b"1", b"b": b"2"}, {b"b": 4_000_000_000_000})


def fill_stream(server: Client, entry_count: int) -> None:
    """Entries with the same fields and with others, at the same millisecond and later."""
    server.command("DEL", "key")
    for at in range(entry_count):
        fields: list[str | int] = ["a", at, "b", "x" * (at % 90)] if at % 7 else ["other", at]
        sequence = 2**64 - 1 if at % 50 == 9 else at
        assert server.command("XADD", "key", f"{5 + at // 5}-{sequence}", *fields)


@pytest.mark.parametrize("entry_count", [1, 2, 99, 100, 101, 220])
def test_streams_that_only_grew_are_the_same_bytes(redis: Client, entry_count: int) -> None:
    fill_stream(redis, entry_count)
    value = dumped(redis)
    assert isinstance(value, RdbStream) and value.entry_count == entry_count
    assert is_same(redis, encode_stream.stream(value, STREAM_NODES))


def test_streams_with_groups_are_exchanged(redis: Client, valkey: Client) -> None:
    values = []
    for server in (redis, valkey):
        fill_stream(server, 120)
        for at in range(10, 40):
            server.command("XDEL", "key", f"{5 + at // 5}-{at}")
        for group, start in ((b"first", "0"), (b"second", "7-0"), (b"idle", "$")):
            assert server.command("XGROUP", "CREATE", "key", group, start) == b"OK"
        for consumer in ("alice", "bob"):
            words = ("XREADGROUP", "GROUP", "first", consumer, "COUNT", 4, "STREAMS", "key", ">")
            assert server.command(*words)
        assert server.command("XACK", "key", "first", "5-1") == 1
        value = dumped(server)
        assert isinstance(value, RdbStream) and value.entry_count < 120
        values.append(value)
        before = server.command("XINFO", "STREAM", "key", "FULL")
        give(valkey, encode_stream.stream(value, STREAM_NODES))
        assert dumped(valkey) == value
        if server is valkey:
            after = server.command("XINFO", "STREAM", "key", "FULL")
            at = before.index(b"length")
            assert after[at : at + 2] == before[at : at + 2]
            assert (
                after[before.index(b"last-generated-id") :]
                == before[before.index(b"last-generated-id") :]
            )
    assert values[0].entries == values[1].entries


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        (kinds.LIST_ZIPLIST, RdbList([b"a", b"12", b"b" * 300, b"-70000"])),
        (kinds.HASH_ZIPLIST, RdbHash({b"a": b"12", b"b" * 300: b"-70000"}, {})),
        (kinds.SORTED_SET_ZIPLIST, RdbSortedSet({b"a": 12.0, b"b" * 300: -70000.0})),
    ],
)
def test_ziplists_mean_to_us_what_they_mean_to_redis(
    redis: Client, kind: int, read: RdbValue
) -> None:
    elements = [b"a", b"12", b"b" * 300, b"-70000"]
    old = Encoded(bytes((kind,)) + wire.Strings(0).pack(pack_ziplist(elements)), 9)
    assert payload.unseal(payload.seal(old)) == read
    give(redis, old)
    assert dumped(redis) == read


@pytest.mark.parametrize("entries", [[], [(5, 1)], [(5, 1), (5, 2), (9, 0)]])
def test_old_streams_mean_to_us_what_they_mean_to_redis(
    redis: Client, entries: list[tuple[int, int]]
) -> None:
    """Above all, how many entries their groups have read."""
    rows = [(entry_id, (b"a", b"%d" % at)) for at, entry_id in enumerate(entries)]
    first_id = entries[0] if entries else (0, 0)
    value = RdbStream(len(rows), rows, first_id, (9, 0), (0, 0), len(rows), [])
    old = pack_stream(value, [(0, 0), (3, 0), (5, 1), (5, 2), (9, 0), (12, 0)])
    give(redis, old)
    read = payload.unseal(payload.seal(old))
    theirs = dumped(redis)
    assert isinstance(read, RdbStream) and isinstance(theirs, RdbStream)
    # Redis gives an empty stream the greatest ID as its first one.
    assert theirs._replace(first_id=first_id) == read
    shown = redis.command("XINFO", "GROUPS", "key")
    assert [group[9] for group in shown] == [group.entries_read for group in read.groups]


def test_other_old_forms_mean_to_us_what_they_mean_to_redis(redis: Client) -> None:
    pack = wire.Strings(0).pack
    nodes = b"".join(pack(pack_ziplist(node)) for node in ([b"a", b"1"], [b"b"]))
    forms: list[tuple[bytes, RdbValue]] = [
        (b"\x0e\x02" + nodes, RdbList([b"a", b"1", b"b"])),
        (b"\x01\x02" + pack(b"a") + pack(b"1"), RdbList([b"a", b"1"])),
        (
            b"\x09" + pack(pack_zipmap([b"a", b"1", b"b", b"2"])),
            RdbHash({b"a": b"1", b"b": b"2"}, {}),
        ),
        (b"\x03\x02\x01a\x031.5\x01b\xfe", RdbSortedSet({b"a": 1.5, b"b": float("inf")})),
    ]
    for body, read in forms:
        assert payload.unseal(payload.seal(Encoded(body, 9))) == read
        give(redis, Encoded(body, 9))
        assert dumped(redis) == read
