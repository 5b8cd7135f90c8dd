"""Streams and their groups against plain Python, and the bytes that they are stored as."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kiwi_engine.keyspace.encoding import behind
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.keyspace.streams import groups as streams_groups
from kiwi_engine.keyspace.streams import stream as streams
from kiwi_engine.keyspace.streams.format import (
    ID_MAX,
    SEQUENCE_MAX,
    UNKNOWN_COUNT,
    Pending,
    decode_pending,
    encode_fields,
    encode_pending,
    join_id,
    split_id,
)
from kiwi_engine.keyspace.streams.groups import ConsumerGroup
from kiwi_engine.keyspace.streams.stream import Entry, Stream
from kiwi_engine.keyspace.streams.trimming import Trim, default_limit, removable
from kiwi_engine.testing.memory_store import MemoryStore
from tests.keyspace.helpers import NOW, new_keyspace, new_store

DOCUMENT = Path(__file__).parents[2] / "docs" / "formats" / "keys.md"
KEY = b"log"
NODE_ENTRIES = 3


@pytest.fixture(autouse=True, scope="module")
def small_steps() -> Iterator[None]:
    """Range deletions and pages of a handful of entries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "RANGE_KEYS_MIN", 4)
        patch.setattr(streams_groups, "RANGE_KEYS_MIN", 4)
        patch.setattr(streams_groups, "PAGE_ROWS", 2)
        yield


def small_keyspace(store: MemoryStore) -> Keyspace:
    keyspace = new_keyspace(store)
    keyspace.limits.stream_node_max_entries = NODE_ENTRIES
    return keyspace


def opened(keyspace: Keyspace) -> Stream:
    stream = Stream.open(keyspace.database(0), KEY, NOW)
    assert stream is not None
    return stream


def filled(keyspace: Keyspace, count: int) -> Stream:
    """A saved stream with the IDs 0-1, 0-2 ..."""
    stream = Stream.create(keyspace.database(0), KEY)
    for number in range(1, count + 1):
        stream.add(number, encode_fields([b"n", b"%d" % number]))
    stream.save()
    return stream


# ---- the bytes


def documented_rows() -> dict[bytes, bytes]:
    """The example of the section on streams; keys and values may go over several lines."""
    section = DOCUMENT.read_text().partition("### Streams\n")[2].partition("\n##")[0]
    rows: list[list[str]] = []
    for line in section.splitlines():
        if line.startswith("    "):
            shown = line[4:]
            if shown[0] not in " -":
                rows.append(["", ""])
            is_value = shown.startswith("->") or bool(rows[-1][1])
            digits, _, _ = shown.removeprefix("->").strip().partition("   ")
            rows[-1][is_value] += digits.replace("(empty)", " ") + " "
    return {bytes.fromhex(key): bytes.fromhex(value) for key, value in rows}


def test_the_documented_example_is_what_is_written() -> None:
    store = new_store()
    stream = Stream.create(new_keyspace(store).database(0), b"log")
    stream.add(join_id(1700000000123, 0), encode_fields([b"temp", b"21"]))
    stream.save()
    group = ConsumerGroup.create(stream, b"g", 0, UNKNOWN_COUNT)
    consumer = group.create_consumer(b"al", 1700000000200)
    ((entry_id, _),) = stream.entries()
    group.advance(stream, entry_id)
    group.assign(Pending(entry_id, b"al", 1700000000200, 1), consumer, None)
    consumer.active_ms = 1700000000200
    group.save()
    rows = {key: value for key, value in store.snapshot().items() if key[:1] not in (b"m", b"c")}
    assert len(rows) == 6
    assert documented_rows() == rows


@given(number=st.integers(0, ID_MAX))
def test_an_id_is_its_two_halves(number: int) -> None:
    milliseconds, sequence = split_id(number)
    assert max(milliseconds, sequence) <= SEQUENCE_MAX
    assert join_id(milliseconds, sequence) == number


@given(
    consumer=st.binary(max_size=5),
    delivered_ms=st.integers(-1, 2**63 - 1),
    deliveries=st.integers(0, 2**64 - 1),
)
def test_pending_entries_are_read_as_they_were_written(
    consumer: bytes, delivered_ms: int, deliveries: int
) -> None:
    pending = Pending(7, consumer, delivered_ms, deliveries)
    assert decode_pending(7, encode_pending(pending)) == pending


@given(prefix=st.binary(max_size=3), suffix=st.binary(max_size=3), other=st.binary(max_size=6))
def test_behind_is_behind_all_keys_with_the_prefix(
    prefix: bytes, suffix: bytes, other: bytes
) -> None:
    prefix = b"t" + prefix
    assert prefix + suffix < behind(prefix)
    assert other < prefix or other.startswith(prefix) or other >= behind(prefix)


# ---- adding and removing


def test_ids_follow_the_clock_and_never_go_back() -> None:
    stream = Stream.create(small_keyspace(new_store()).database(0), KEY)
    assert stream.next_id(5) == join_id(5, 0)
    stream.add(join_id(5, 7), b"\x90")
    assert stream.next_id(5) == join_id(5, 8)
    assert stream.next_id(4) == join_id(5, 8)
    assert stream.next_id(6) == join_id(6, 0)
    stream.add(join_id(5, SEQUENCE_MAX), b"\x90")
    assert stream.next_id(5) == join_id(6, 0)


exact = st.just(False), st.just(0)
approximate = st.just(True), st.sampled_from([0, 2, 5])
trims = st.one_of(
    st.builds(Trim, st.integers(0, 12), st.just(0), *exact),
    st.builds(Trim, st.none(), st.integers(0, 60), *exact),
    st.builds(Trim, st.integers(0, 12), st.just(0), *approximate),
    st.builds(Trim, st.none(), st.integers(0, 60), *approximate),
)


def trimmed(model: dict[int, list[bytes]], trim: Trim, removed_before: int) -> list[int]:
    """The IDs that go, found by walking from node to node as Redis does."""
    ids = sorted(model)
    going: list[int] = []
    position = removed_before % NODE_ENTRIES
    while ids:
        node = ids[: NODE_ENTRIES - position] if trim.approximate else ids[:1]
        if trim.length_max is None:
            may_go = node[-1] < trim.id_min
        else:
            may_go = len(ids) - len(node) >= trim.length_max
        if not may_go or (trim.limit and len(going) + len(node) > trim.limit):
            break
        going += node
        ids, position = ids[len(node) :], 0
    return going


class StreamMachine(RuleBasedStateMachine):
    """Random changes; each is saved and read again, as by the next command."""

    @initialize()
    def start(self) -> None:
        self.store = new_store()
        self.keyspace = small_keyspace(self.store)
        Stream.create(self.keyspace.database(0), KEY).save()
        self.model: dict[int, list[bytes]] = {}
        self.last_id = self.added = self.max_deleted_id = 0

    @rule(distance=st.integers(1, 3), fields=st.lists(st.binary(max_size=2), max_size=3))
    def add(self, distance: int, fields: list[bytes]) -> None:
        stream = opened(self.keyspace)
        self.last_id += distance
        self.model[self.last_id] = fields
        self.added += 1
        stream.add(self.last_id, encode_fields(fields))
        stream.save()

    @rule(entry_ids=st.lists(st.integers(0, 60), max_size=4))
    def delete(self, entry_ids: list[int]) -> None:
        stream = opened(self.keyspace)
        there = {entry_id for entry_id in entry_ids if entry_id in self.model}
        assert stream.delete(entry_ids) == len(there)
        for entry_id in there:
            del self.model[entry_id]
        self.max_deleted_id = max(self.max_deleted_id, *there, 0)
        stream.save()

    @rule(trim=trims)
    def trim(self, trim: Trim) -> None:
        stream = opened(self.keyspace)
        going = trimmed(self.model, trim, self.added - len(self.model))
        assert stream.trim(trim) == len(going)
        for entry_id in going:
            del self.model[entry_id]
        stream.save()

    @rule(
        low=st.integers(0, 60),
        high=st.integers(0, 60) | st.just(ID_MAX),
        count=st.integers(0, 3),
        reverse=st.booleans(),
    )
    def read(self, low: int, high: int, count: int, reverse: bool) -> None:
        wanted = [
            row for row in sorted(self.model.items(), reverse=reverse) if low <= row[0] <= high
        ]
        found = opened(self.keyspace).entries(low, high, count=count, reverse=reverse)
        assert list(found) == list(islice(wanted, count or None))

    @invariant()
    def facts_are_those_of_the_entries(self) -> None:
        stream = opened(self.keyspace)
        assert list(stream.entries()) == sorted(self.model.items())
        assert stream.length == len(self.model)
        assert stream.first_id == min(self.model, default=0)
        assert stream.newest_id() == max(self.model, default=0)
        facts = (stream.last_id, stream.added, stream.max_deleted_id)
        assert facts == (self.last_id, self.added, self.max_deleted_id)
        assert sum(key[:1] == b"t" for key in self.store.snapshot()) == len(self.model)


TestStreamsAgainstTheirModel = StreamMachine.TestCase
TestStreamsAgainstTheirModel.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True, print_blob=True
)


@given(length=st.integers(1, 40), removed=st.integers(0, 10), length_max=st.integers(0, 40))
def test_an_approximate_trimming_ends_at_a_node(length: int, removed: int, length_max: int) -> None:
    trim = Trim(length_max, approximate=True)
    count = removable(trim, length - length_max, length, removed, NODE_ENTRIES)
    assert count == length or (removed + count) % NODE_ENTRIES == 0 or count == 0
    assert length - count >= min(length, length_max)
    assert count == 0 or count == length or length - count - length_max < NODE_ENTRIES


def test_the_default_limit_is_bounded() -> None:
    assert default_limit(100) == 10_000
    assert default_limit(2**31 - 1) == 1_000_000
    assert default_limit(0) == 10_000


@given(length=st.integers(1, 400), removed=st.integers(0, 10), length_max=st.integers(0, 400))
def test_nodes_without_a_limit_are_trimmed_all_the_same(
    length: int, removed: int, length_max: int
) -> None:
    """Redis ends them by their bytes then; a stream must not grow for ever."""
    trim = Trim(length_max, approximate=True)
    count = removable(trim, length - length_max, length, removed, 0)
    assert count == removable(trim, length - length_max, length, removed, 100)


def test_trimming_and_reading_begin_behind_what_was_trimmed_away() -> None:
    """A stream that is added to and trimmed for ever must not seek among its removed entries."""

    class Watched(MemoryStore):
        begins: list[bytes]

        def range(
            self, begin: bytes, end: bytes, *, reverse: bool = False
        ) -> Iterator[tuple[bytes, bytes]]:
            self.begins.append(begin)
            return super().range(begin, end, reverse=reverse)

        def scan(
            self, begin: bytes, end: bytes, *, reverse: bool = False
        ) -> Iterator[tuple[bytes, bytes]]:
            self.begins.append(begin)
            return super().scan(begin, end, reverse=reverse)

    store = Watched(lambda _key, _head: ())
    store.begins = []
    keyspace = small_keyspace(store)
    filled(keyspace, 5)
    for number in range(6, 20):
        stream = opened(keyspace)
        oldest = number - 5
        stream.add(number, b"\x90")
        store.begins.clear()
        assert stream.trim(Trim(5)) == 1
        assert len(list(stream.entries())) == 5
        assert [int.from_bytes(begin[9:], "big") for begin in store.begins] == [oldest, oldest + 1]
        stream.save()


# ---- how far groups have come


def group_at(stream: Stream, last_id: int, entries_read: int = UNKNOWN_COUNT) -> int | None:
    return stream.lag(last_id, entries_read)


def test_the_lag_of_a_group() -> None:
    keyspace = small_keyspace(new_store())
    empty = Stream.create(keyspace.database(0), KEY)
    assert group_at(empty, 0) == 0
    stream = filled(keyspace, 5)
    assert [group_at(stream, at) for at in range(7)] == [5, 4, None, None, None, 0, None]
    assert group_at(stream, 3, 3) == 2
    stream.delete([4])
    assert group_at(stream, 3, 3) is None  # one of the two that follow is gone
    assert group_at(stream, 5, 5) == 0
    assert group_at(stream, 0) is None
    stream.trim(Trim(1))
    assert group_at(stream, 0) == 1  # nothing was deleted among what is left


def test_a_group_counts_what_it_reads_as_long_as_it_can() -> None:
    keyspace = small_keyspace(new_store())
    stream = filled(keyspace, 5)
    group = ConsumerGroup.create(stream, b"g", 0, UNKNOWN_COUNT)
    counts = []
    for entry_id in (1, 2):
        group.advance(stream, entry_id)
        counts.append(group.entries_read)
    stream.delete([4])
    for entry_id in (3, 5):
        group.advance(stream, entry_id)
        counts.append(group.entries_read)
    assert counts == [1, 2, UNKNOWN_COUNT, 5]


# ---- pending entries

names = st.sampled_from([b"", b"a", b"b", b"aa"])
entry_ids = st.integers(1, 8)


class GroupMachine(RuleBasedStateMachine):
    """Two groups with similar names; `pending[group][id]` is (owner, deliveries)."""

    @initialize()
    def start(self) -> None:
        self.store = new_store()
        self.keyspace = small_keyspace(self.store)
        stream = filled(self.keyspace, 8)
        self.pending: dict[bytes, dict[int, tuple[bytes, int]]] = {b"g": {}, b"gg": {}}
        self.consumers: dict[bytes, set[bytes]] = {b"g": set(), b"gg": set()}
        for name in self.pending:
            ConsumerGroup.create(stream, name, 0, 0).save()

    def group(self, name: bytes) -> ConsumerGroup:
        group = ConsumerGroup.open(opened(self.keyspace), name)
        assert group is not None
        return group

    @rule(
        name=st.sampled_from([b"g", b"gg"]),
        consumer=names,
        ids=st.lists(entry_ids, max_size=4),
        deliveries=st.integers(0, 3),
    )
    def assign(self, name: bytes, consumer: bytes, ids: list[int], deliveries: int) -> None:
        group = self.group(name)
        owner = group.consumer(consumer) or group.create_consumer(consumer, NOW)
        for entry_id in ids:
            pending = Pending(entry_id, consumer, NOW, deliveries)
            group.assign(pending, owner, group.pending(entry_id))
            self.pending[name][entry_id] = (consumer, deliveries)
        self.consumers[name].add(consumer)
        group.save()

    @rule(name=st.sampled_from([b"g", b"gg"]), ids=st.lists(entry_ids, max_size=4))
    def acknowledge(self, name: bytes, ids: list[int]) -> None:
        group = self.group(name)
        for entry_id in ids:
            pending = group.pending(entry_id)
            assert (pending is None) == (entry_id not in self.pending[name])
            if pending is not None:
                group.forget(pending)
                del self.pending[name][entry_id]
        group.save()

    @rule(name=st.sampled_from([b"g", b"gg"]), consumer=names)
    def remove_consumer(self, name: bytes, consumer: bytes) -> None:
        group = self.group(name)
        found = group.consumer(consumer)
        assert (found is not None) == (consumer in self.consumers[name])
        if found is not None:
            group.remove_consumer(found)
            group.save()
            self.consumers[name].discard(consumer)
            mine = self.pending[name]
            self.pending[name] = {at: row for at, row in mine.items() if row[0] != consumer}

    @rule(name=st.sampled_from([b"g", b"gg"]))
    def make_anew(self, name: bytes) -> None:
        self.group(name).destroy()
        assert ConsumerGroup.open(opened(self.keyspace), name) is None
        ConsumerGroup.create(opened(self.keyspace), name, 0, 0).save()
        self.pending[name], self.consumers[name] = {}, set()

    @rule(low=st.integers(0, 9), high=st.integers(0, 9))
    def read_while_writing(self, low: int, high: int) -> None:
        """A walk over what is pending goes on while entries are acknowledged."""
        group = self.group(b"g")
        seen = []
        for pending in group.all_pending(low, high):
            seen.append(pending.entry_id)
            group.forget(pending)
            del self.pending[b"g"][pending.entry_id]
        group.save()
        assert seen == sorted(seen)
        assert not any(low <= entry_id <= high for entry_id in self.pending[b"g"])

    @invariant()
    def both_indexes_and_all_counts_agree(self) -> None:
        assert [group.name for group in ConsumerGroup.all_of(opened(self.keyspace))] == [
            b"g",
            b"gg",
        ]
        for name, wanted in self.pending.items():
            group = self.group(name)
            found = {one.entry_id: (one.consumer, one.deliveries) for one in group.all_pending()}
            assert found == wanted
            assert group.pending_count == len(wanted)
            ends = (min(wanted), max(wanted)) if wanted else None
            assert group.pending_ends() == ends
            consumers = list(group.consumers())
            assert [one.name for one in consumers] == sorted(self.consumers[name])
            assert group.consumer_count == len(consumers)
            for one in consumers:
                owned = [pending.entry_id for pending in group.owned(one)]
                mine = [at for at, (owner, _) in sorted(wanted.items()) if owner == one.name]
                assert owned == mine
                assert one.pending == len(mine)

    @invariant()
    def nothing_is_left_behind(self) -> None:
        rows = self.store.snapshot()
        pending = sum(map(len, self.pending.values()))
        consumers = sum(map(len, self.consumers.values()))
        assert sum(key[:1] == b"p" for key in rows) == pending
        assert sum(key[:1] == b"q" for key in rows) == pending + consumers


TestGroupsAgainstTheirModel = GroupMachine.TestCase
TestGroupsAgainstTheirModel.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, derandomize=True, print_blob=True
)


def test_a_copy_of_a_stream_has_its_own_groups() -> None:
    keyspace = small_keyspace(new_store())
    database = keyspace.database(0)
    group = ConsumerGroup.create(filled(keyspace, 3), b"g", 0, 0)
    group.assign(Pending(2, b"c", NOW, 1), group.create_consumer(b"c", NOW), None)
    group.save()
    value = database.read_value(KEY, NOW)
    assert value is not None
    database.write_copy(b"copy", value)
    database.delete(KEY, NOW)
    while keyspace.reclaimer.work(100):
        pass
    copy = Stream.open(database, b"copy", NOW)
    assert copy is not None
    entries: list[Entry] = list(copy.entries())
    assert [entry_id for entry_id, _ in entries] == [1, 2, 3]
    (copied,) = ConsumerGroup.all_of(copy)
    (consumer,) = copied.consumers()
    assert [pending.entry_id for pending in copied.owned(consumer)] == [2]
