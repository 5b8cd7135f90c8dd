"""The keyspace against a model: dicts of values with deadlines, under a clock of their own.

Restarts, rollbacks, the expiry cycle and reclaiming happen between any two commands, with tiny
limits. A failure prints the steps that repeat it.
"""

from __future__ import annotations

import copy

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kiwi_engine.checksum import crc32c_unchecked
from kiwi_engine.keyspace import iteration
from kiwi_engine.keyspace.keyspace import Keyspace
from tests.keyspace.helpers import NOW, check_structure, new_store

DATABASES = 3
indexes = st.integers(0, DATABASES - 1)
keys = st.sampled_from([b"", b"a", b"b", b"7d9e1008b9ec17a", b"279ec1f352c878a"])
payloads = st.sampled_from([b"", b"1", b"x" * 30])
spans = st.integers(-3, 12)
limits = st.sampled_from([1, 2, 100])

Model = list[dict[bytes, tuple[bytes, int]]]
Indexes = set[int]  # not in the class, where `set` is a rule


class KeyspaceMachine(RuleBasedStateMachine):
    """`model[index][key]` is (payload, deadline or 0)."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.model: Model = [{} for _ in range(DATABASES)]

    @initialize(forgetful=st.integers(0, 2))
    def start(self, forgetful: int) -> None:
        """Memory knows all keys, about half of them, or none."""
        self.store = new_store(lambda key: crc32c_unchecked(key) % 2 >= forgetful)
        self.keyspace = Keyspace(self.store, DATABASES, seed=0)
        self.saved: tuple[dict[bytes, bytes], Model] = ({}, copy.deepcopy(self.model))

    def living(self, index: int, key: bytes) -> tuple[bytes, int] | None:
        found = self.model[index].get(key)
        return found if found and not 0 < found[1] < self.now else None

    @rule(index=indexes, key=keys, payload=payloads)
    def set(self, index: int, key: bytes, payload: bytes) -> None:
        self.keyspace.database(index).set(key, payload)
        self.model[index][key] = (payload, 0)

    @rule(index=indexes, key=keys, payload=payloads, span=spans)
    def set_expiring(self, index: int, key: bytes, payload: bytes, span: int) -> None:
        self.keyspace.database(index).set_expiring(key, payload, self.now + span)
        self.model[index][key] = (payload, self.now + span)

    @rule(index=indexes, key=keys)
    def append(self, index: int, key: bytes) -> None:
        database = self.keyspace.database(index)
        payload, deadline_ms = database.get_with_deadline(key, self.now)
        assert (payload, deadline_ms) == (self.living(index, key) or (None, 0))
        if payload is not None:
            database.update(key, payload + b"+", deadline_ms)
            self.model[index][key] = (payload + b"+", deadline_ms)

    @rule(index=indexes, key=keys, span=spans)
    def set_deadline(self, index: int, key: bytes, span: int) -> None:
        deadline_ms = 0 if span == 0 else self.now + span
        found = self.living(index, key)
        done = self.keyspace.database(index).set_deadline(key, deadline_ms, self.now)
        assert done == (found is not None)
        if found:
            self.model[index][key] = (found[0], deadline_ms)

    @rule(index=indexes, key=keys)
    def delete(self, index: int, key: bytes) -> None:
        found = self.living(index, key)
        assert self.keyspace.database(index).delete(key, self.now) == (found is not None)
        self.model[index].pop(key, None)

    @rule(source=indexes, key=keys, goal=indexes, name=keys)
    def move(self, source: int, key: bytes, goal: int, name: bytes) -> None:
        found = self.living(source, key)
        value = self.keyspace.database(source).read_value(key, self.now)
        assert (value is None) == (found is None)
        if value is not None and found is not None:
            self.keyspace.database(source).remove(key, value)
            self.keyspace.database(goal).write_value(name, value)
            del self.model[source][key]
            self.model[goal][name] = found

    @rule(flushed=st.sets(indexes))
    def flush(self, flushed: Indexes) -> None:
        self.keyspace.flush(flushed)
        for index in flushed:
            self.model[index] = {}

    @rule(first=indexes, second=indexes)
    def swap(self, first: int, second: int) -> None:
        self.keyspace.swap(first, second)
        model = self.model
        model[first], model[second] = model[second], model[first]

    @rule(milliseconds=st.integers(1, 6))
    def wait(self, milliseconds: int) -> None:
        self.now += milliseconds

    @rule(limit=limits)
    def expire_cycle(self, limit: int) -> None:
        self.keyspace.expire_cycle(self.now, limit)

    @rule(limit=limits)
    def reclaim(self, limit: int) -> None:
        self.keyspace.reclaim(limit)

    @rule()
    def restart(self) -> None:
        self.keyspace = Keyspace(self.store, DATABASES, seed=0)

    @rule()
    def save(self) -> None:
        self.saved = (self.store.snapshot(), copy.deepcopy(self.model))

    @rule()
    def roll_back(self) -> None:
        self.store.restore(self.saved[0])
        self.keyspace.reload()
        self.model = copy.deepcopy(self.saved[1])

    @rule(index=indexes, key=keys)
    def read(self, index: int, key: bytes) -> None:
        found = self.living(index, key)
        database = self.keyspace.database(index)
        assert database.get(key, self.now) == (found[0] if found else None)
        assert database.deadline(key, self.now) == (found[1] if found else None)

    @rule(index=indexes)
    def list_keys(self, index: int) -> None:
        found = iteration.find_keys(self.keyspace.database(index), b"*", self.now)
        assert sorted(found) == sorted(key for key in self.model[index] if self.living(index, key))

    @rule()
    def settle(self) -> None:
        """After all background work the counts are those of the living; nothing is left over."""
        while self.keyspace.expire_cycle(self.now, 2) or self.keyspace.reclaim(2):
            pass
        expected = 0
        for index in range(DATABASES):
            living = [found for key in self.model[index] if (found := self.living(index, key))]
            expected += len(living)
            assert self.keyspace.key_count(self.keyspace.database(index)) == len(living)
        stored = [key for key in self.store.snapshot() if key[:1] == b"d"]
        assert len(stored) == expected
        assert self.keyspace.dead_namespaces == 0

    @invariant()
    def every_deadline_is_indexed(self) -> None:
        if hasattr(self, "store"):
            check_structure(self.store)


TestKeyspaceAgainstItsModel = KeyspaceMachine.TestCase
TestKeyspaceAgainstItsModel.settings = settings(
    max_examples=80, stateful_step_count=40, deadline=None, derandomize=True, print_blob=True
)
