"""The embedded API equals a sorted dict, whatever happens in between."""

from __future__ import annotations

import tempfile
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

import kiwi_engine
from tests.embedded.options import TINY

KEYS = st.binary(max_size=2) | st.sampled_from([b"a", b"b", b"\xff", b"\xff\xff"])
VALUES = st.binary(max_size=8) | st.integers(0, 9).map(lambda digit: b"%d" % digit * 100)
BOUNDS = st.none() | KEYS
Model = dict[bytes, bytes]


def between(model: Model, begin: bytes | None, end: bytes | None) -> list[tuple[bytes, bytes]]:
    return sorted(
        (key, value)
        for key, value in model.items()
        if (begin is None or begin <= key) and (end is None or key < end)
    )


def apply_write(target: Any, model: Model, write: tuple[str, bytes | None, bytes | None]) -> None:
    """One write to an engine, batch or transaction, and to the model."""
    kind, first, second = write
    if kind == "put":
        assert first is not None and second is not None
        target.put(first, second)
        model[first] = second
    elif kind == "delete":
        assert first is not None
        target.delete(first)
        model.pop(first, None)
    else:
        target.delete_range(first, second)
        for key, _ in between(model, first, second):
            del model[key]


WRITES = st.one_of(
    st.tuples(st.just("put"), KEYS, VALUES),
    st.tuples(st.just("put"), KEYS, VALUES),
    st.tuples(st.just("delete"), KEYS, st.none()),
    st.tuples(st.just("delete_range"), BOUNDS, BOUNDS),
)


class EmbeddedEngine(RuleBasedStateMachine):
    snapshots = Bundle("snapshots")
    scans = Bundle("scans")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.model: Model = {}
        self.epoch = 0

    @initialize()
    def open(self) -> None:
        self.engine = kiwi_engine.open(self.directory.name, **TINY)

    @rule(write=WRITES)
    def write(self, write: tuple[str, bytes | None, bytes | None]) -> None:
        apply_write(self.engine, self.model, write)

    @rule(writes=st.lists(WRITES, max_size=6))
    def write_batch(self, writes: list[tuple[str, bytes | None, bytes | None]]) -> None:
        batch = kiwi_engine.WriteBatch()
        for write in writes:
            apply_write(batch, self.model, write)
        self.engine.write(batch)

    @rule(key=KEYS)
    def get(self, key: bytes) -> None:
        assert self.engine.get(key) == self.model.get(key)

    @rule(keys=st.lists(KEYS, max_size=5))
    def get_many(self, keys: list[bytes]) -> None:
        assert self.engine.get_many(keys) == [self.model.get(key) for key in keys]

    @rule(begin=BOUNDS, end=BOUNDS, reverse=st.booleans())
    def scan(self, begin: bytes | None, end: bytes | None, reverse: bool) -> None:
        expected = between(self.model, begin, end)
        if reverse:
            expected.reverse()
        assert list(self.engine.scan(begin, end, reverse=reverse)) == expected
        assert list(self.engine.keys(begin, end, reverse=reverse)) == [k for k, _ in expected]

    @rule(prefix=KEYS)
    def scan_prefix(self, prefix: bytes) -> None:
        expected = [row for row in between(self.model, None, None) if row[0].startswith(prefix)]
        assert list(self.engine.scan(prefix=prefix)) == expected

    @rule(target=snapshots)
    def take_snapshot(self) -> Any:
        return self.epoch, self.engine.snapshot(), dict(self.model)

    @rule(snapshot=snapshots, begin=BOUNDS, reverse=st.booleans())
    def look_at_snapshot(self, snapshot: Any, begin: bytes | None, reverse: bool) -> None:
        epoch, view, model = snapshot
        if epoch == self.epoch:
            expected = between(model, begin, None)
            if reverse:
                expected.reverse()
            assert list(view.scan(begin, reverse=reverse)) == expected
            assert view.get_many([*model, b"absent"]) == [*model.values(), None]

    @rule(snapshot=consumes(snapshots))
    def close_snapshot(self, snapshot: Any) -> None:
        snapshot[1].close()

    @rule(target=scans, reverse=st.booleans())
    def begin_scan(self, reverse: bool) -> Any:
        scan = self.engine.scan(reverse=reverse)
        expected = between(self.model, None, None)
        if reverse:
            expected.reverse()
        assert next(scan, None) == (expected[0] if expected else None)
        return self.epoch, scan, expected[1:]

    @rule(scan=consumes(scans))
    def finish_scan(self, scan: Any) -> None:
        epoch, rows, expected = scan
        if epoch == self.epoch:
            assert list(rows) == expected

    @rule(writes=st.lists(WRITES, max_size=4), keys=st.lists(KEYS, max_size=3), ok=st.booleans())
    def transact(self, writes: list[Any], keys: list[bytes], ok: bool) -> None:
        model = dict(self.model)
        try:
            with self.engine.transaction() as transaction:
                for write in writes:
                    apply_write(transaction, model, write)
                for key in keys:
                    assert transaction.get(key) == model.get(key)
                assert list(transaction.scan()) == between(model, None, None)
                if not ok:
                    raise InterruptedError
        except InterruptedError:
            return
        self.model = model

    @rule(key=KEYS, other=WRITES)
    def conflict(self, key: bytes, other: tuple[str, bytes | None, bytes | None]) -> None:
        """A transaction that wrote what another wrote meanwhile is refused, and only then."""
        before, model = dict(self.model), dict(self.model)
        touches = other[0] == "delete_range" and (
            (other[1] is None or other[1] <= key) and (other[2] is None or key < other[2])
        )
        touches = touches or (other[0] != "delete_range" and other[1] == key)
        try:
            with self.engine.transaction() as transaction:
                assert transaction.get(key) == before.get(key)
                apply_write(self.engine, model, other)
                transaction.put(key, b"mine")
        except kiwi_engine.TransactionConflictError:
            assert touches
        else:
            assert not touches
            model[key] = b"mine"
        self.model = model

    @rule()
    def count(self) -> None:
        assert self.engine.count() == len(self.model)

    @rule()
    def flush(self) -> None:
        self.engine.flush()

    @rule()
    def reopen(self) -> None:
        self.engine.close()
        self.epoch += 1
        self.engine = kiwi_engine.open(self.directory.name, **TINY)

    @invariant()
    def nothing_is_refused(self) -> None:
        if hasattr(self, "engine"):
            assert self.engine.statistics().refusal == ""

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.close()
        self.directory.cleanup()


TestEmbeddedEngine = EmbeddedEngine.TestCase
# Not shrunk: background threads make a failure depend on time, and a run is printed anyway.
TestEmbeddedEngine.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
