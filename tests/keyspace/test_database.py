"""Values and deadlines of one database."""

from __future__ import annotations

import pytest

from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace import encoding
from tests.keyspace.helpers import NOW, check_structure, new_keyspace, new_store

LATER = NOW + 1000


def expiry_entries(entries: dict[bytes, bytes]) -> list[encoding.ExpiryEntry]:
    return [encoding.parse_expiry_key(key) for key in sorted(entries) if key[:1] == b"x"]


def test_a_key_lives_through_its_deadline_and_no_longer() -> None:
    database = new_keyspace().database(0)
    database.set_expiring(b"a", b"1", LATER)
    assert database.get(b"a", LATER) == b"1"
    assert database.head(b"a", LATER) is not None
    assert database.get(b"a", LATER + 1) is None
    assert database.get(b"a", NOW) is None, "the access removed it"


@pytest.mark.parametrize("access", ["get", "head", "read_value", "kind_name", "deadline", "delete"])
def test_every_access_removes_an_expired_key_with_its_entry(access: str) -> None:
    store = new_store()
    keyspace = new_keyspace(store)
    database = keyspace.database(0)
    database.set_expiring(b"a", b"1", NOW)
    assert not getattr(database, access)(b"a", NOW + 1)
    assert store.snapshot() == {}
    assert keyspace.expiry.expired_count == 1


def test_an_expired_key_is_only_absent_while_writes_are_refused() -> None:
    store = new_store()
    keyspace = new_keyspace(store)
    database = keyspace.database(0)
    database.set_expiring(b"a", b"1", NOW)
    before = store.snapshot()
    keyspace.expiry.may_write = False
    assert database.get(b"a", NOW + 1) is None
    assert database.head(b"a", NOW + 1) is None
    assert store.snapshot() == before
    assert keyspace.expiry.expired_count == 0


def test_a_blind_set_reads_nothing_and_leaves_a_stale_entry() -> None:
    store = new_store()
    database = new_keyspace(store).database(0)
    database.set_expiring(b"a", b"1", LATER)
    store.reads = 0
    database.set(b"a", b"2")
    assert store.reads == 0
    assert expiry_entries(store.snapshot()) == [encoding.ExpiryEntry(LATER, 0, b"a")]
    assert database.deadline(b"a", NOW) == 0
    assert database.get(b"a", LATER + 1) == b"2"


@pytest.mark.parametrize("is_in_memory", [True, False])
def test_an_overwritten_deadline_is_removed_if_memory_knows_it(is_in_memory: bool) -> None:
    store = new_store(lambda _key: is_in_memory)
    database = new_keyspace(store).database(0)
    database.set_expiring(b"a", b"1", LATER)
    store.reads = 0
    database.set_expiring(b"a", b"2", LATER + 5)
    assert store.reads == 0
    deadlines = [entry.deadline_ms for entry in expiry_entries(store.snapshot())]
    assert deadlines == ([LATER + 5] if is_in_memory else [LATER, LATER + 5])


def test_deadlines_can_be_changed_and_taken_away() -> None:
    store = new_store()
    database = new_keyspace(store).database(0)
    database.set(b"a", b"value")
    assert not database.set_deadline(b"nokey", LATER, NOW)
    for deadline_ms in (LATER, LATER, LATER + 1, 0):
        assert database.set_deadline(b"a", deadline_ms, NOW)
        assert database.deadline(b"a", NOW) == deadline_ms
        assert database.get(b"a", NOW) == b"value"
        check_structure(store)
    assert expiry_entries(store.snapshot()) == []


def test_values_of_every_kind_can_be_moved_with_their_deadline() -> None:
    store = new_store()
    keyspace = new_keyspace(store)
    source, target = keyspace.database(0), keyspace.database(1)
    other_kind = encoding.with_deadline(b"\x02" + b"members", LATER)
    source.write_value(b"a", other_kind)
    target.set_expiring(b"b", b"old", LATER + 9)
    value = source.read_value(b"a", NOW)
    assert value == other_kind
    source.remove(b"a", value)
    target.write_value(b"b", value)
    assert source.head(b"a", NOW) is None
    assert target.deadline(b"b", NOW) == LATER
    assert expiry_entries(store.snapshot()) == [encoding.ExpiryEntry(LATER, 1, b"b")]
    with pytest.raises(ReplyError, match="WRONGTYPE"):
        target.get(b"b", NOW)
    with pytest.raises(ReplyError, match="WRONGTYPE"):
        target.get_with_deadline(b"b", NOW)
    assert target.get(b"b", LATER + 1) is None, "an expired key has no type"


def test_existence_and_deadlines_need_no_whole_value() -> None:
    """A store is free to keep all but the head of a large value elsewhere."""
    store = new_store()
    database = new_keyspace(store).database(0)
    database.set_expiring(b"a", b"x" * 100_000, LATER)
    assert len(database.head(b"a", NOW) or b"") == 16
    assert database.deadline(b"a", NOW) == LATER
    assert database.kind_name(b"a", NOW) == b"string"
    assert database.delete(b"a", NOW)
