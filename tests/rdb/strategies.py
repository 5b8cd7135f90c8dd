"""Values of every type, with what is special to the format more often than chance would have it."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from kiwi_engine.rdb.values import (
    RdbConsumer,
    RdbGroup,
    RdbPending,
    RdbStream,
    StreamFields,
    StreamId,
)

_EDGES: Final = [
    sign * (1 << bits) + offset
    for bits in (0, 6, 7, 12, 13, 14, 15, 16, 23, 24, 31, 32, 62, 63)
    for sign in (1, -1)
    for offset in (-1, 0, 1)
]
_TIMES: Final = st.integers(1, 2**42)

numbers = st.sampled_from(_EDGES) | st.integers(-(2**63), 2**63 - 1)
repetitive = st.lists(st.sampled_from([b"a", b"abc", b"hello ", b"0123456789"]), max_size=60).map(
    b"".join
)
texts = (
    st.binary(max_size=80)
    | repetitive
    | numbers.map(lambda number: b"%d" % number)
    | st.sampled_from([b"", b"-", b"-0", b"00", b"+1", b" 1", b"1 ", b"1_0"])
    | st.tuples(st.binary(min_size=1, max_size=3), st.integers(60, 2500)).map(
        lambda pair: pair[0] * pair[1]
    )
)
deadlines = _TIMES
scores = st.floats(allow_nan=False)

stream_ids = st.tuples(
    st.integers(0, 2**64 - 1) | st.integers(1000, 1010),
    st.integers(0, 2**64 - 1) | st.integers(0, 10),
).filter(lambda pair: pair > (0, 0))
_names = st.sampled_from([(b"a", b"b"), (b"temperature",), (b"a", b"b", b"a")])


@st.composite
def _fields(draw: st.DrawFn) -> StreamFields:
    names = draw(_names)
    return tuple(word for name in names for word in (name, draw(texts)))


@st.composite
def groups(draw: st.DrawFn, name: bytes, entry_ids: list[StreamId]) -> RdbGroup:
    is_idle = draw(st.booleans())
    consumers = []
    for consumer in sorted(draw(st.sets(texts, max_size=3))):
        seen_ms = draw(_TIMES)
        active_ms = draw(_TIMES | st.just(-1)) if is_idle else seen_ms
        consumers.append(RdbConsumer(consumer, seen_ms, active_ms))
    pending: dict[StreamId, RdbPending] = {}
    if consumers and entry_ids:
        owners = st.sampled_from([consumer.name for consumer in consumers])
        for entry_id in sorted(draw(st.sets(st.sampled_from(entry_ids)))):
            deliveries = draw(st.integers(1, 2**40))
            pending[entry_id] = RdbPending(draw(owners), draw(_TIMES), deliveries)
    entries_read = draw(st.none() | st.integers(0, 2**40))
    return RdbGroup(name, draw(stream_ids), entries_read, consumers, pending)


@st.composite
def streams(draw: st.DrawFn) -> RdbStream:
    ids = sorted(draw(st.sets(stream_ids, max_size=12)))
    last_id = max([*ids, draw(stream_ids)])
    return RdbStream(
        entry_count=len(ids),
        entries=[(entry_id, draw(_fields())) for entry_id in ids],
        first_id=ids[0] if ids else (0, 0),
        last_id=last_id,
        max_deleted_id=draw(st.just((0, 0)) | stream_ids),
        entries_added=draw(st.integers(len(ids), 2**40)),
        groups=[draw(groups(name, ids)) for name in sorted(draw(st.sets(texts, max_size=2)))],
    )
