"""Bringing back the log in little memory, over an index that a drain had begun to change."""

from __future__ import annotations

from kiwi_engine.commit.changes import encode_changes
from kiwi_engine.commit.group import Entry
from kiwi_engine.engine.recovery.replay import Replay
from kiwi_engine.engine.state import STATE_KEY, IndexState, encode_state
from kiwi_engine.engine.stored import encode_stored
from kiwi_engine.testing.memory_index import MemoryIndex
from kiwi_engine.vlog.discard import DiscardTable
from kiwi_engine.vlog.format import Pointer, encode_pointer
from kiwi_engine.vlog.separated import Separated
from kiwi_engine.wal.format import Record

ENTRY_BYTES = 50


def _separated(number: int) -> Separated:
    """The `number`-th value of the value log: two lie in each segment."""
    segment, place = divmod(number, 2)
    pointer = Pointer(segment + 1, 20 + place * ENTRY_BYTES, ENTRY_BYTES, 10)
    return Separated(encode_pointer(pointer), b"head")


def _record(lsn: int, ranges: list[tuple[bytes, bytes]], entries: dict[bytes, Entry]) -> Record:
    return Record(lsn, encode_changes(0, ranges, entries), "wal", 0, 0)


def _replayed(index: MemoryIndex, records: list[Record]) -> dict[int, int]:
    """The discards after each record was drained by itself."""
    replay = Replay(index, lambda key, head: (), IndexState(), pending_bytes_max=1)
    for record in records:
        replay.apply(record)
    return dict(DiscardTable.decode(replay.state.discards).items())


def _cut_off_drain(key: bytes, entry: Separated) -> MemoryIndex:
    """The index after the first slice of a drain: newer than its applied LSN, for one key."""
    state = encode_state(IndexState())
    return MemoryIndex({STATE_KEY: state, key: encode_stored(entry)})


def test_a_value_of_a_later_record_is_not_counted_as_discarded() -> None:
    index = _cut_off_drain(b"a", _separated(2))
    records = [_record(1, [], {b"a": _separated(0)}), _record(2, [], {b"a": _separated(2)})]
    assert _replayed(index, records) == {1: ENTRY_BYTES}


def test_nor_where_a_range_deletion_meets_it() -> None:
    index = _cut_off_drain(b"a", _separated(2))
    records = [_record(1, [(b"a", b"b")], {}), _record(2, [], {b"a": _separated(2)})]
    assert _replayed(index, records) == {}


def test_a_value_of_an_earlier_record_is_counted() -> None:
    index = _cut_off_drain(b"a", _separated(0))
    records = [_record(1, [], {b"b": _separated(2)}), _record(2, [], {b"a": _separated(3)})]
    assert _replayed(index, records) == {1: ENTRY_BYTES}
