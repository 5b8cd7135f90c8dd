"""Which transactions may run, told from what is watched and what has changed."""

from __future__ import annotations

import pytest

from kiwi_engine.commands.transactions.watched_keys import WatchedKeys
from tests.commands.helpers import Session

NOW = 1_000_000


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def watched(session: Session) -> WatchedKeys:
    session.keyspace.database(0).set(b"there", b"x")
    watched = WatchedKeys(session.keyspace)
    watched.watch(1, 0, [b"there", b"absent"], NOW)
    watched.watch(2, 0, [b"there"], NOW)
    return watched


def test_a_change_breaks_all_who_watch_the_key_once(watched: WatchedKeys) -> None:
    assert watched.touched(0, b"absent") == {1}
    assert watched.touched(0, b"absent") == set()
    assert watched.touched(0, b"there") == {2}
    assert watched.touched(1, b"there") == set()
    assert not watched.may_run(1, NOW)
    assert not watched.may_run(2, NOW)
    assert watched.may_run(3, NOW)


def test_who_forgets_starts_anew(watched: WatchedKeys) -> None:
    watched.touched(0, b"there")
    watched.forget(1)
    assert watched.may_run(1, NOW)
    assert not watched.may_run(2, NOW)
    watched.forget(2)
    watched.forget(3)
    assert len(watched) == 0


def test_a_key_that_expires_breaks_whoever_saw_it(session: Session) -> None:
    database = session.keyspace.database(0)
    database.set_expiring(b"key", b"x", NOW + 10)
    watched = WatchedKeys(session.keyspace)
    watched.watch(1, 0, [b"key"], NOW)
    assert watched.may_run(1, NOW + 10)
    watched.watch(2, 0, [b"key"], NOW + 20)
    assert not watched.may_run(1, NOW + 20)
    assert watched.may_run(2, NOW + 20)


def test_a_flush_breaks_those_who_lose_or_gain_a_key(watched: WatchedKeys) -> None:
    watched.watch(3, 0, [b"absent"], NOW)
    watched.watch(4, 1, [b"there"], NOW)
    assert watched.flushed([0], NOW) == {1, 2}
    assert watched.may_run(3, NOW)
    assert watched.may_run(4, NOW)


def test_a_key_that_is_absent_after_a_restart_counts_as_changed(watched: WatchedKeys) -> None:
    """Nobody knows any more whether it was there, and it may have expired."""
    watched.rewatch(5, 0, b"there", NOW)
    assert watched.may_run(5, NOW)
    watched.rewatch(5, 0, b"absent", NOW)
    assert not watched.may_run(5, NOW)
