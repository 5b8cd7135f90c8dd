"""When a transaction conflicts, and when not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import kiwi_engine
from kiwi_engine.embedded.history import WriteHistory
from kiwi_engine.embedded.present import FIRST_ROWS
from tests.embedded.options import TINY

Transaction = kiwi_engine.Transaction


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[kiwi_engine.Engine]:
    with kiwi_engine.open(tmp_path / "data", **TINY) as opened:
        for key in (b"a", b"c", b"e"):
            opened.put(key, b"old")
        yield opened


READS: dict[str, Callable[[Transaction], Any]] = {
    "get": lambda transaction: transaction.get(b"c"),
    "get absent": lambda transaction: transaction.get(b"b"),
    "get_many": lambda transaction: transaction.get_many([b"a", b"c"]),
    "scan": lambda transaction: list(transaction.scan(b"b", b"d")),
    "scan nothing": lambda transaction: list(transaction.scan(b"cc", b"d")),
    "scan first": lambda transaction: next(transaction.scan()),
    "scan last": lambda transaction: next(transaction.keys(reverse=True)),
}
WRITES: dict[str, Callable[[kiwi_engine.Engine], None]] = {
    "put a": lambda engine: engine.put(b"a", b"new"),
    "put b": lambda engine: engine.put(b"b", b"new"),
    "put c": lambda engine: engine.put(b"c", b"old"),
    "delete c": lambda engine: engine.delete(b"c"),
    "put cx": lambda engine: engine.put(b"cx", b"new"),
    "put e": lambda engine: engine.put(b"e", b"new"),
    "delete b to d": lambda engine: engine.delete_range(b"b", b"d"),
    "delete from e": lambda engine: engine.delete_range(b"e"),
}
# Few rows: a whole scan is one slice, so these read all keys.
CONFLICTS = {
    "get": {"put c", "delete c", "delete b to d"},
    "get absent": {"put b", "delete b to d"},
    "get_many": {"put a", "put c", "delete c", "delete b to d"},
    "scan": {"put b", "put c", "delete c", "put cx", "delete b to d"},
    "scan nothing": {"put cx", "delete b to d"},
    "scan first": set(WRITES),
    "scan last": set(WRITES),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("write", WRITES)
def test_what_was_read_must_not_be_written(
    engine: kiwi_engine.Engine, read: str, write: str
) -> None:
    """Written after the read: found at the commit. Before the read: found by it."""
    is_conflict = write in CONFLICTS[read]
    for order in ("read first", "write first"):
        try:
            with engine.transaction() as transaction:
                if order == "read first":
                    READS[read](transaction)
                WRITES[write](engine)
                if order == "write first":
                    READS[read](transaction)
                transaction.put(b"\x00mine", order.encode())
        except kiwi_engine.TransactionConflictError:
            assert is_conflict
            assert engine.get(b"\x00mine") is None
        else:
            assert not is_conflict
            assert engine.get(b"\x00mine") == order.encode()
            engine.delete(b"\x00mine")
    assert engine.statistics().open_transactions == 0


def test_blind_writes_conflict_with_writes(engine: kiwi_engine.Engine) -> None:
    for write in ("put c", "delete b to d"):
        with pytest.raises(kiwi_engine.TransactionConflictError, match="b'c' was written"):  # noqa: SIM117
            with engine.transaction() as transaction:
                transaction.put(b"c", b"mine")
                WRITES[write](engine)
    with pytest.raises(kiwi_engine.TransactionConflictError), engine.transaction() as transaction:
        transaction.delete_range(b"b", b"d")
        engine.put(b"bb", b"new")


def test_readers_alone_never_conflict_at_the_end(engine: kiwi_engine.Engine) -> None:
    with engine.transaction() as transaction:
        assert transaction.get(b"c") == b"old"
        engine.put(b"c", b"new")


def test_own_writes_are_read(engine: kiwi_engine.Engine) -> None:
    with engine.transaction() as transaction:
        transaction.put(b"b", b"mine")
        transaction.delete(b"c")
        assert transaction.get_many([b"a", b"b", b"c"]) == [b"old", b"mine", None]
        transaction.delete_range(b"d")
        transaction.put(b"f", b"mine")
        expected = [(b"a", b"old"), (b"b", b"mine"), (b"f", b"mine")]
        assert list(transaction.scan()) == expected
        assert list(transaction.scan(reverse=True)) == expected[::-1]
        assert list(transaction.keys(b"b", b"f")) == [b"b"]
        assert transaction.get(b"e") is None
        assert list(engine.keys()) == [b"a", b"c", b"e"]
    assert list(engine.scan()) == expected


def test_writing_while_walking(engine: kiwi_engine.Engine) -> None:
    with engine.transaction() as transaction:
        for key, value in transaction.scan():
            transaction.delete(key)
            transaction.put(key + b"2", value)
    assert list(engine.keys()) == [b"a2", b"c2", b"e2"]


def test_long_walks(engine: kiwi_engine.Engine) -> None:
    batch = kiwi_engine.WriteBatch()
    keys = [b"k%04d" % number for number in range(3 * FIRST_ROWS)]
    for key in keys:
        batch.put(key, b"x" * 100)
    engine.write(batch)
    with engine.transaction() as transaction:
        assert list(transaction.keys(prefix=b"k")) == keys
        assert list(transaction.keys(prefix=b"k", reverse=True)) == keys[::-1]
    # A walk that stops early has read its beginning only.
    for reverse, far, near in ((False, keys[-1], keys[0]), (True, keys[0], keys[-1])):
        with engine.transaction() as transaction:
            list(islice(transaction.keys(prefix=b"k", reverse=reverse), 5))
            engine.put(far, b"new")
            transaction.put(b"mine", b"")
        with pytest.raises(kiwi_engine.TransactionConflictError):  # noqa: SIM117
            with engine.transaction() as transaction:
                list(islice(transaction.keys(prefix=b"k", reverse=reverse), 5))
                engine.put(near, b"new")
                transaction.put(b"mine", b"")


def test_an_exception_rolls_back(engine: kiwi_engine.Engine) -> None:
    with pytest.raises(ZeroDivisionError), engine.transaction() as transaction:
        transaction.put(b"a", b"new")
        raise ZeroDivisionError
    with engine.transaction() as transaction:
        transaction.put(b"a", b"new")
        transaction.rollback()
        with pytest.raises(ValueError, match="not under way"):
            transaction.get(b"a")
    calls: tuple[Callable[[], object], ...] = (
        lambda: transaction.get(b"a"),
        lambda: transaction.put(b"a", b""),
    )
    for call in calls:
        with pytest.raises(ValueError, match="not under way"):
            call()
    with pytest.raises(ValueError, match="not under way"):
        engine.transaction().get(b"a")
    assert engine.get(b"a") == b"old"
    assert engine.statistics().open_transactions == 0


def test_transact_gives_up_in_the_end(engine: kiwi_engine.Engine) -> None:
    attempts = 0

    def always_late(transaction: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        transaction.get(b"a")
        engine.put(b"a", b"%d" % attempts)
        transaction.put(b"a", b"mine")

    with pytest.raises(kiwi_engine.TransactionConflictError):
        engine.transact(always_late, attempts=3)
    assert (attempts, engine.get(b"a")) == (3, b"3")


# ---- the history


class Someone:
    """Whose transaction it is."""


def test_history_of_keys_and_ranges() -> None:
    history = WriteHistory()
    one, other = Someone(), Someone()
    history.record([b"a"], [])
    first = history.begin(one)
    assert not history.key_is_written(b"a", first)
    history.record([b"a"], [(b"m", b"p")])
    second = history.begin(other)
    assert history.key_is_written(b"a", first)
    assert not history.key_is_written(b"a", second)
    assert history.key_is_written(b"m", first)
    assert not history.key_is_written(b"p", first)
    assert history.range_is_written(b"", b"b", first)
    assert history.range_is_written(b"o", b"z", first)
    assert not history.range_is_written(b"p", b"z", first)
    assert not history.range_is_written(b"", b"z", second)
    history.record([b"z"], [])
    assert not history.range_is_written(b"a", b"z", second)
    assert history.open_transactions == 2
    history.end(one)
    history.end(other)
    assert history.open_transactions == 0
    # With nobody to remember it for, nothing is remembered.
    history.record([b"a"] * 100, [])
    assert history._keys == {}


def test_history_is_bounded() -> None:
    history = WriteHistory(keys_max=10)
    one, other = Someone(), Someone()
    old = history.begin(one)
    for number in range(11):
        history.record([b"%d" % number], [])
    assert history.key_is_written(b"never written", old)
    assert history.range_is_written(b"x", b"y", old)
    assert len(history._keys) <= 10
    young = history.begin(other)
    assert not history.key_is_written(b"5", young)
    assert not history.range_is_written(b"", b"z", young)


def test_history_forgets_whom_nobody_holds() -> None:
    """The program was interrupted before the end of its transaction."""
    history, someone = WriteHistory(), Someone()
    since = history.begin(someone)
    history.record([b"a"], [])
    assert history.key_is_written(b"a", since)
    del someone
    assert history.open_transactions == 0
    history.end(other := Someone())
    assert not history._keys
    history.begin(other)
    history.end(other)
    history.end(other)
    assert history.open_transactions == 0
