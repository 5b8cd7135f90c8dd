"""What is shown, and when: with a log whose syncs wait, and fail, as the test says."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import kiwi_engine
from kiwi_engine.embedded.waiting import Waiter
from tests.commit.fakes import wait_until
from tests.embedded.gate import Call, Gate
from tests.embedded.options import TINY

QUIET = {**TINY, "drain_interval": "1h", "drain_max_entries": 1000}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[kiwi_engine.Engine]:
    with kiwi_engine.open(tmp_path, **QUIET) as opened:
        yield opened


READS: dict[str, Callable[[kiwi_engine.Engine], Any]] = {
    "get": lambda engine: engine.get(b"key"),
    "get_many": lambda engine: engine.get_many([b"other", b"key"])[1],
    "scan": lambda engine: dict(engine.scan())[b"key"],
    "snapshot": lambda engine: engine.snapshot().get(b"key"),
    "transaction": lambda engine: engine.transact(lambda transaction: transaction.get(b"key")),
}


@pytest.mark.parametrize("how", READS)
def test_a_read_waits_for_what_it_shows(engine: kiwi_engine.Engine, how: str) -> None:
    engine.put(b"key", b"old")
    engine.put(b"other", b"value")
    gate = Gate(engine)
    put = Call(lambda: engine.put(b"key", b"new"))
    assert gate.is_waiting.wait(30)
    read = Call(lambda: READS[how](engine))
    assert not read.has_ended(0.1), "shows what may be lost"
    gate.open()
    assert read.get() == b"new"
    assert put.get() is None


def test_other_keys_are_read_meanwhile(engine: kiwi_engine.Engine) -> None:
    engine.put(b"other", b"value")
    gate = Gate(engine)
    put = Call(lambda: engine.put(b"key", b"new"))
    deletion = Call(lambda: engine.delete_range(b"x", b"y"))
    assert gate.is_waiting.wait(30)
    assert engine.get(b"other") == b"value"
    assert engine.get_many([b"other", b"absent"]) == [b"value", None]
    assert engine._present.get_now(b"eother") == b"value"
    # The range deletion may wait behind the first group; either way nothing hangs.
    gate.open()
    assert put.get() is None
    assert deletion.get() is None


def test_a_deleted_range_is_waited_for(engine: kiwi_engine.Engine) -> None:
    engine.put(b"key", b"old")
    gate = Gate(engine)
    deletion = Call(lambda: engine.delete_range(prefix=b"k"))
    assert gate.is_waiting.wait(30)
    read = Call(lambda: engine.get(b"key"))
    assert not read.has_ended(0.1)
    gate.open()
    assert read.get() is None
    deletion.get()


@pytest.mark.parametrize("how", READS)
def test_what_could_not_be_synced_was_never_there(tmp_path: Path, how: str) -> None:
    engine = kiwi_engine.open(tmp_path, **QUIET)
    engine.put(b"key", b"old")
    engine.put(b"other", b"value")
    gate = Gate(engine)
    put = Call(lambda: engine.put(b"key", b"new"))
    assert gate.is_waiting.wait(30)
    read = Call(lambda: READS[how](engine))
    assert not read.has_ended(0.1)
    gate.open(OSError(errno.EIO, "no luck"))
    assert read.get() == b"old"
    with pytest.raises(kiwi_engine.UnknownOutcomeError):
        put.get()
    with pytest.raises(kiwi_engine.EnginePoisonedError):
        engine.put(b"key", b"newer")
    assert READS[how](engine) == b"old"
    assert "read-only" in engine.statistics().refusal
    engine.close()
    with kiwi_engine.open(tmp_path, **QUIET) as again:
        assert again.get(b"key") in (b"old", b"new")
        again.put(b"key", b"newer")


def test_many_threads_share_a_sync(engine: kiwi_engine.Engine) -> None:
    gate = Gate(engine)
    first = Call(lambda: engine.put(b"first", b""))
    assert gate.is_waiting.wait(30)
    others = [Call(lambda n=n: engine.put(b"%d" % n, b"")) for n in range(50)]  # type: ignore[misc]
    wait_until(lambda: len(engine._driver.waiters) == 51)
    gate.open()
    for call in [first, *others]:
        call.get()
    assert engine.statistics().commit.groups == 2


def test_an_interrupted_wait_does_not_hold_up_the_others(engine: kiwi_engine.Engine) -> None:
    """A thread that does not pass the turn on: the maintenance thread wakes the others."""
    gate = Gate(engine)
    calls = [Call(lambda n=n: engine.put(b"%d" % n, b"")) for n in range(10)]  # type: ignore[misc]
    wait_until(lambda: len(engine._driver.waiters) == 10)
    # As if its thread had been interrupted: when its turn comes, nobody is there.
    engine._driver.waiters._to_wake.append(Waiter())
    gate.open()
    for call in calls:
        call.get()


def test_everysec_and_sync(tmp_path: Path) -> None:
    with kiwi_engine.open(tmp_path, **{**QUIET, "appendfsync": "everysec"}) as engine:
        for number in range(100):
            engine.put(b"%d" % number, b"x")
        engine.sync()
        commit = engine.statistics().commit
        assert commit.durable_lsn == commit.written_lsn == 100
        assert commit.syncs < 100


def test_too_little_disk_refuses_writes_until_there_is_enough(tmp_path: Path) -> None:
    with kiwi_engine.open(tmp_path, **QUIET) as engine:
        engine.put(b"key", b"value")
        engine.configure(disk_reserve="1000gb")
        engine._driver.engine.housekeeping._disk_checked_ns = 0
        wait_until(lambda: engine.statistics().refusal != "")
        writes: tuple[Callable[[], object], ...] = (
            lambda: engine.put(b"key", b"new"),
            engine.delete_range,
            lambda: engine.transact(lambda transaction: transaction.put(b"key", b"new")),
        )
        for write in writes:
            with pytest.raises(kiwi_engine.DiskFullError):
                write()
        assert list(engine.scan()) == [(b"key", b"value")]
        engine.configure(disk_reserve=0)
        wait_until(lambda: engine.statistics().refusal == "")
        engine.put(b"key", b"new")
        assert engine.get(b"key") == b"new"


def test_a_drain_between_memory_and_index(engine: kiwi_engine.Engine) -> None:
    """The index is read while it shows the first half of a drain that began meanwhile."""
    stored = [b"key", b"other"]
    for key in stored:
        engine.put(key, b"old")
    engine.flush()
    engine._driver.engine.store.clean.clear()
    index = engine._driver.engine.opened.index
    get_many, is_first = index.get_many, True

    def get_many_in_between(keys: Sequence[bytes]) -> list[bytes | None]:
        nonlocal is_first
        if not is_first:
            return get_many(keys)
        is_first = False
        batch = kiwi_engine.WriteBatch()
        batch.delete_range()
        for key in stored:
            batch.put(key, b"new")
        engine.write(batch)
        engine.flush()
        return [None for _ in keys]  # the range is deleted, the new values are to come

    index.get_many = get_many_in_between  # type: ignore[method-assign]
    assert engine.get(b"key") == b"new"
    is_first = True
    engine._driver.engine.store.clean.clear()
    assert engine.get_many(stored) == [b"new", b"new"]


def test_a_write_that_is_interrupted_is_not_half_made(engine: kiwi_engine.Engine) -> None:
    """Ctrl-C between two changes of a batch, in a group that holds the change of another."""
    engine.put(b"key", b"old")
    gate = Gate(engine)
    first = Call(lambda: engine.put(b"first", b"x"))
    assert gate.is_waiting.wait(30)
    second = Call(lambda: engine.put(b"second", b"x"))
    wait_until(lambda: len(engine._driver.waiters) == 2)
    store = engine._driver.engine.store
    put = store.put

    def interrupt(key: bytes, value: bytes) -> None:
        put(key, value)
        if key == b"ekey":
            raise KeyboardInterrupt

    store.put = interrupt  # type: ignore[method-assign]
    batch = kiwi_engine.WriteBatch()
    batch.put(b"key", b"new")
    batch.put(b"other", b"new")
    with pytest.raises(KeyboardInterrupt):
        engine.write(batch)
    store.put = put  # type: ignore[method-assign]
    gate.open()
    # The maintenance thread finds it, too.
    with pytest.raises(kiwi_engine.UnknownOutcomeError):
        second.get()
    assert first.get() is None
    assert dict(engine.scan()) == {b"first": b"x", b"key": b"old"}
    engine.put(b"key", b"newer")
    assert engine.get(b"key") == b"newer"
    path = engine.path
    engine.close()
    with kiwi_engine.open(path, **QUIET) as again:
        assert dict(again.scan()) == {b"first": b"x", b"key": b"newer"}


def test_only_the_maintenance_thread_logs_interrupts(
    engine: kiwi_engine.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """An interrupt within `logging` would leave its lock taken, and whoever logs would hang."""
    driver = engine._driver
    store = driver.engine.store
    put = store.put

    def interrupt(key: bytes, value: bytes) -> None:
        raise KeyboardInterrupt

    driver._maintain = lambda: 0.01  # type: ignore[method-assign]
    store.put = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        engine.put(b"key", b"value")
    store.put = put  # type: ignore[method-assign]
    assert engine.get(b"key") is None  # finds it, and drops what was begun
    wait_until(lambda: bool(caplog.records))
    assert [record.threadName for record in caplog.records] == ["kiwi-maintain"]
