"""Hashes in both forms against a dict of values and deadlines, with time going by."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.hashes.opening import Hash, open_hash, open_or_new
from tests.keyspace.hash_helpers import check_hashes, small_keyspace
from tests.keyspace.helpers import NOW, new_store

FIELD_NAMES = [b"", b"a", b"b", b"c", b"d", b"\x00\xff", b"f" * 20]


class HashMachine(RuleBasedStateMachine):
    """Commands on one hash, with time going by; the model knows values and deadlines."""

    @initialize(packed_max_entries=st.sampled_from([0, 2, 4, 1000]))
    def begin(self, packed_max_entries: int) -> None:
        self.store = new_store()
        self.packed_max_entries = packed_max_entries
        self.keyspace = small_keyspace(self.store, packed_max_entries)
        self.now = NOW
        self.model: dict[bytes, tuple[bytes, int]] = {}

    @property
    def database(self) -> Database:
        return self.keyspace.database(0)

    def opened(self) -> Hash:
        return open_or_new(self.database, b"k", self.now)

    fields = st.sampled_from(FIELD_NAMES)

    @rule(pairs=st.dictionaries(fields, st.sampled_from([b"", b"1", b"long" * 5]), min_size=1))
    def set(self, pairs: dict[bytes, bytes]) -> None:
        found = self.opened()
        for field, value in pairs.items():
            assert found.set(field, value) == (field not in self.model)
            self.model[field] = (value, 0)
        found.save()

    @rule(names=st.lists(fields, min_size=1, max_size=3))
    def delete(self, names: list[bytes]) -> None:
        found = self.opened()
        for name in names:
            assert found.delete(name) == (self.model.pop(name, None) is not None)
        if open_hash(self.database, b"k", self.now) is not None:
            found.save()

    @precondition(lambda self: self.model)
    @rule(after_ms=st.dictionaries(fields, st.integers(0, 5), min_size=1))
    def set_deadlines(self, after_ms: dict[bytes, int]) -> None:
        found = self.opened()
        for field in after_ms.keys() & self.model.keys():
            deadline_ms = self.now + after_ms[field] if after_ms[field] else 0
            found.set_deadline(field, deadline_ms)
            self.model[field] = (self.model[field][0], deadline_ms)
        found.save()

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def update(self, data: st.DataObject) -> None:
        field = data.draw(st.sampled_from(sorted(self.model)))
        found = self.opened()
        found.update(field, b"updated")
        found.save()
        self.model[field] = (b"updated", self.model[field][1])

    @rule(step_ms=st.integers(1, 4))
    def time_passes(self, step_ms: int) -> None:
        self.now += step_ms
        living = {
            field: entry for field, entry in self.model.items() if not 0 < entry[1] < self.now
        }
        self.model = living

    @rule(limit=st.integers(1, 3))
    def active_expiry(self, limit: int) -> None:
        self.keyspace.expire_fields(self.now, limit)

    @rule(name=st.sampled_from(["expire_all", "restart", "rename", "copy", "overwrite", "reclaim"]))
    def something_else(self, name: str) -> None:
        getattr(self, name)()

    def expire_all(self) -> None:
        while self.keyspace.expire_fields(self.now, 2) >= 2:
            pass
        assert (self.database.head(b"k", self.now) is None) == (not self.model)

    def restart(self) -> None:
        self.keyspace = small_keyspace(self.store, self.packed_max_entries)

    def rename(self) -> None:
        for source, target in ((b"k", b"other"), (b"other", b"k")):
            value = self.database.read_value(source, self.now)
            if value is not None:
                self.database.remove(source, value)
                self.database.write_value(target, value)
            check_hashes(self.store)

    def copy(self) -> None:
        """The copy takes the place of the original."""
        value = self.database.read_value(b"k", self.now)
        if value is not None:
            self.database.write_copy(b"other", value)
            check_hashes(self.store)
            copied = self.database.read_value(b"other", self.now)
            assert copied is not None
            self.database.remove(b"other", copied)
            self.database.write_value(b"k", copied)

    def overwrite(self) -> None:
        self.database.set(b"k", b"text")
        self.database.delete(b"k", self.now)
        self.model.clear()

    def reclaim(self) -> None:
        while self.keyspace.reclaim(1):
            pass

    @invariant()
    def agrees(self) -> None:
        check_hashes(self.store)
        found = open_hash(self.database, b"k", self.now)
        if found is None:
            assert not self.model
            return
        assert found.count == len(self.model)
        assert dict(found.items()) == {field: value for field, (value, _) in self.model.items()}
        assert sorted(found.fields()) == sorted(self.model)
        for field, (value, deadline_ms) in self.model.items():
            assert (found.get(field), found.deadline(field)) == (value, deadline_ms)

    def teardown(self) -> None:
        """Without the hash nothing of it is left."""
        self.database.delete(b"k", self.now)
        while self.keyspace.expire_fields(encoding.DEADLINE_MS_MAX, 10):
            pass
        for _ in range(200):
            self.keyspace.reclaim(100)
        assert set(self.store.snapshot()) <= {b"mversion"}


HashMachine.TestCase.settings = settings(
    max_examples=80, stateful_step_count=25, deadline=None, derandomize=True
)
test_hashes_are_dicts_with_deadlines = HashMachine.TestCase
