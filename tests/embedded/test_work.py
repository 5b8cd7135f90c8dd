"""Which ends of a call's work in memory lead to a repair, and what it tells those who wait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import kiwi_engine
from kiwi_engine.commit.group import PendingReply
from kiwi_engine.embedded.driver import Driver
from kiwi_engine.embedded.options import settings_from
from kiwi_engine.embedded.waiting import Waiter, Waiters
from tests.embedded.options import TINY


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    opened = Driver(str(tmp_path), settings_from({**TINY, "drain_interval": "1h"}))
    # By hand: nobody else may find what was left.
    opened._maintain = lambda: 1.0  # type: ignore[method-assign]
    yield opened
    opened.close()


def _repairs_after(driver: Driver, error: BaseException, *, is_writing: bool) -> int:
    before = driver.work.repairs
    with pytest.raises(type(error)), driver.mutex, driver.work:
        driver.work.is_writing = is_writing
        raise error
    with driver.mutex, driver.work:
        pass
    return driver.work.repairs - before


def test_an_interrupt_is_repaired(driver: Driver) -> None:
    assert _repairs_after(driver, KeyboardInterrupt(), is_writing=False) == 1
    assert _repairs_after(driver, MemoryError(), is_writing=True) == 1


def test_what_is_refused_before_it_is_begun_needs_no_repair(driver: Driver) -> None:
    refused = kiwi_engine.TransactionConflictError("key was written")
    assert _repairs_after(driver, refused, is_writing=False) == 0
    assert _repairs_after(driver, refused, is_writing=True) == 1
    assert not driver.work.is_writing


def test_an_interrupted_repair_is_made_again(driver: Driver) -> None:
    engine, drop = driver.engine, driver.engine.drop_open_group

    def interrupt() -> None:
        drop()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), driver.mutex, driver.work:
        raise KeyboardInterrupt
    engine.drop_open_group = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt), driver.mutex, driver.work:
        raise AssertionError("not reached")
    engine.drop_open_group = drop  # type: ignore[method-assign]
    with driver.mutex, driver.work:
        pass
    assert driver.work.repairs == 2
    assert not driver.mutex.locked()


def test_errands_bring_back_results_and_refusals(driver: Driver) -> None:
    assert driver.on_own_thread(lambda engine: engine.refusal) is None

    def refuse(engine: object) -> None:
        raise kiwi_engine.BackupError("no")

    with pytest.raises(kiwi_engine.BackupError):
        driver.on_own_thread(refuse)
    driver.close()
    with pytest.raises(kiwi_engine.EngineClosedError):
        driver.on_own_thread(refuse)


def test_only_those_who_were_not_answered_fail() -> None:
    waiters = Waiters()
    answered, open_ = Waiter(), Waiter()
    replies: list[PendingReply] = [(waiters.expect(answered), b"", 1)]
    waiters.expect(open_)
    waiters.deliver(replies, None)
    waiters.fail_all(kiwi_engine.UnknownOutcomeError("interrupted"))
    waiters.wait(answered)
    waiters.wait(open_)
    assert answered.error is None
    assert isinstance(open_.error, kiwi_engine.UnknownOutcomeError)


def test_nobody_is_remembered_who_was_interrupted() -> None:
    """Its group was delivered, and it did not wait for that."""
    waiters = Waiters()
    gone = Waiter()
    waiters.deliver([(waiters.expect(gone), b"", 1)], None)
    assert len(waiters) == 1
    waiters.wake_all()
    assert len(waiters) == 0
