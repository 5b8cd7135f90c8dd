"""Streams that contradict themselves are refused, with the reason."""

from __future__ import annotations

import pytest

from kiwi_engine.errors import PayloadError
from kiwi_engine.rdb import encode_stream, kinds, listpack, payload, wire
from kiwi_engine.rdb.encode import Encoded
from kiwi_engine.rdb.encode_stream import StreamNodeLimit
from kiwi_engine.rdb.values import RdbConsumer, RdbGroup, RdbPending, RdbStream
from tests.rdb.old_forms import pack_stream

ENTRIES = [((5, 0), (b"a", b"1")), ((5, 1), (b"b", b"2"))]
GROUP = RdbGroup(b"g", (5, 1), 1, [RdbConsumer(b"c", 10, -1)], {(5, 0): RdbPending(b"c", 9, 1)})
SOUND = RdbStream(2, ENTRIES, (5, 0), (7, 0), (0, 0), 2, [GROUP])
OTHER_CONSUMERS = [RdbConsumer(b"c", 10, -1), RdbConsumer(b"c", 11, -1)]


def reread(stream: RdbStream) -> object:
    encoded = encode_stream.stream(stream, StreamNodeLimit(100, 4096))
    return payload.unseal(payload.seal(encoded))


def grouped(group: RdbGroup) -> RdbStream:
    return SOUND._replace(groups=[group])


def test_the_sound_one_is_read() -> None:
    assert reread(SOUND) == SOUND


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (SOUND._replace(entry_count=3), "another length"),
        (SOUND._replace(entries=ENTRIES[::-1]), "not in order"),
        (SOUND._replace(entries=[ENTRIES[0]] * 2), "not in order"),
        (SOUND._replace(last_id=(5, 0)), "out of range"),
        (SOUND._replace(entries=[((0, 0), (b"a", b"1")), ENTRIES[0]]), "out of range"),
        (SOUND._replace(entries_added=2**63), "count of a stream"),
        (SOUND._replace(groups=[GROUP, GROUP]), "group stands twice"),
        (grouped(GROUP._replace(entries_read=2**63)), "more entries than there can be"),
        (grouped(GROUP._replace(consumers=OTHER_CONSUMERS, pending={})), "consumer stands twice"),
        (grouped(GROUP._replace(consumers=[RdbConsumer(b"c", -5, -1)])), "negative"),
        (grouped(GROUP._replace(pending={(5, 0): RdbPending(b"c", -9, 1)})), "negative"),
        (grouped(GROUP._replace(pending={(5, 0): RdbPending(b"c", 9, 2**63)})), "count of"),
    ],
)
def test_what_contradicts_itself_is_refused(stream: RdbStream, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason):
        reread(stream)


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ([1, 0, 1, b"a", 1, 2, 0, 0, b"1", 4], "no end"),
        ([1, 0, 1, b"a", 0, 2, 0, 0, b"1", 5], "another size"),
        ([1, 0, 1, b"a", 0, 3, 0, 0, b"1", 4], "contradicts its header"),
        ([1, 0, 1, b"a", 0, 2, 0, 0, b"1", 4, 9], "contradicts its header"),
        ([1, 0, 1, b"a", 0, 2, 0, 0, b"1"], "ends early"),
        ([1, 0, 9, b"a", 0, 2, 0, 0, b"1", 4], "ends early"),
        ([1, 0, 1, b"a", 0, b"x", 0, 0, b"1", 4], "number is missing"),
        ([-1, 2, 1, b"a", 0, 2, 0, 0, b"1", 4], "number is missing"),
        ([1, 0, 1, b"a", 0, 2, -(2**63) - 1, 0, b"1", 4], "number is missing"),
    ],
)
def test_a_node_that_contradicts_itself_is_refused(
    elements: list[bytes | int], reason: str
) -> None:
    words = [element if isinstance(element, bytes) else b"%d" % element for element in elements]
    for key, expected in ((bytes(15) + b"\x05", reason), (bytes(15), "not 16 bytes long")):
        pack = wire.Strings().pack
        node = pack(key) + pack(listpack.pack(words))
        body = bytes((kinds.STREAM_1, 1)) + node + b"\x01\x09\x09\x00"
        with pytest.raises(PayloadError, match=expected):
            payload.unseal(payload.seal(Encoded(body)))


def test_an_old_stream_has_consumers_that_were_active_when_seen() -> None:
    old = pack_stream(SOUND, [(5, 0)])
    consumer = wire.Strings().pack(b"c") + wire.milliseconds(77) + b"\x00"
    body = old.body[:-1] + b"\x01" + consumer
    read = payload.unseal(payload.seal(Encoded(body, 9)))
    assert isinstance(read, RdbStream)
    assert read.groups == [RdbGroup(b"g0", (5, 0), 1, [RdbConsumer(b"c", 77, 77)], {})]
