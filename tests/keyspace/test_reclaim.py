"""Whatever removes or replaces a spread collection, its elements go, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.spread import reclaim
from kiwi_engine.keyspace.spread.reclaim import RANGE_KEYS_MIN, STEPS_BETWEEN_WALKS, WALKED_AT_ONCE
from kiwi_engine.keyspace.spread.versions import registry_key
from tests.commands.helpers import Session

# Keys, the indices of their deadlines, meta entries and the registry; the rest are elements.
OTHER_TABLES = {b"d", b"x", b"y", b"m", b"c"}
# More steps than the reclaimer may rest between two walks over the registry.
ENOUGH_STEPS = STEPS_BETWEEN_WALKS + 50

MAKERS = {
    "hash": ["hset {key} a 1 b 2 c 3 d 4", "hpexpire {key} 1000000 fields 2 a b"],
    "set": ["sadd {key} a b c d"],
    "sorted set": ["zadd {key} 1 a 2 b 3 c 4 d"],
    "list": ["rpush {key} a b c d"],
    "stream": [
        "xadd {key} 1-0 a 1", "xadd {key} 2-0 b 2", "xadd {key} 3-0 c 3", "xadd {key} 4-0 d 4",
        "xgroup create {key} g 0", "xreadgroup group g one count 2 streams {key} >",
    ],
    "string": ["setbit {key} 100 1", "setbit {key} 9000 1"],
}  # fmt: skip
# How the collection at `k` loses its root, one way or another.
REMOVALS: dict[str, list[str]] = {
    "DEL": ["del k"],
    "UNLINK": ["unlink k"],
    "a blind SET": ["set k text"],
    "SET with a deadline": ["set k text ex 1000"],
    "RENAME over it": ["set other text", "rename other k"],
    "RENAME of another one over it": ["sadd other x y z", "rename other k"],
    "COPY over it": ["sadd other x y z", "copy other k replace"],
    "COPY, then DEL of both": ["copy k other", "del k other"],
    "RENAME, then DEL": ["rename k other", "del other"],
    "MOVE, then FLUSHDB there": ["move k 1", "swapdb 0 1", "flushdb"],
    "FLUSHDB": ["flushdb"],
    "FLUSHALL": ["flushall"],
    "SWAPDB, then FLUSHALL": ["swapdb 0 3", "flushall"],
    "a deadline in the past": ["expireat k 1"],
    "STORE over it": ["sadd other x y z", "sunionstore k other"],
}


@pytest.fixture
def session() -> Session:
    session = Session()
    session.keyspace.limits.packed_max_entries = 1
    session.keyspace.limits.paged_min_bytes = 1
    return session


def make(session: Session, kind: str, key: str) -> None:
    for line in MAKERS[kind]:
        assert session.run(line.format(key=key))[:1] != b"-"
    value = session.keyspace.database(0).read_value(key.encode(), session.now)
    assert value is not None and encoding.is_spread(value)


def elements(session: Session) -> dict[bytes, bytes]:
    entries = session.store.snapshot()
    return {key: value for key, value in entries.items() if key[:1] not in OTHER_TABLES}


def registered(session: Session) -> int:
    return sum(key[:1] == encoding.REGISTRY for key in session.store.snapshot())


def finish(session: Session, limit: int = 1000) -> None:
    for _ in range(ENOUGH_STEPS):
        session.keyspace.reclaim(limit)


def check_counters(session: Session) -> None:
    """What is registered are the spread roots, and as many as the tally says."""
    counts = session.store.recent_counts()
    assert registered(session) == counts.get(encoding.VERSIONS_COUNTER, 0)
    assert registered(session) == counts.get(encoding.SPREAD_ROOTS_COUNTER, 0)
    assert session.keyspace.reclaimer.orphan_count() == 0


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("removal", REMOVALS)
def test_nothing_is_left_of_what_was_removed(session: Session, kind: str, removal: str) -> None:
    make(session, kind, "k")
    for line in REMOVALS[removal]:
        assert session.run(line)[:1] != b"-", line
    for index in range(4):
        session.database = index
        session.run("del k other")
    finish(session)
    assert elements(session) == {}
    assert registered(session) == 0
    check_counters(session)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("restarts", [False, True], ids=["", "with restarts"])
def test_interrupted_at_every_step_it_removes_one_collection_and_no_other(
    session: Session, kind: str, restarts: bool
) -> None:
    make(session, kind, "living")
    living = elements(session)
    make(session, kind, "k")
    session.run("del k")
    assert session.keyspace.reclaimer.orphan_count() == 1
    steps = 0
    while session.keyspace.reclaimer.orphan_count():
        if restarts:
            session.keyspace.reload()  # forgets what was noted
        session.keyspace.reclaim(1)
        steps += 1
        assert living.items() <= elements(session).items()
        assert steps < 100
    assert elements(session) == living
    assert steps > len(living)
    check_counters(session)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    "expire",
    [
        pytest.param(lambda session: session.run("exists k"), id="by access"),
        pytest.param(
            lambda session: session.keyspace.expire_cycle(session.now, 10), id="by the cycle"
        ),
    ],
)
def test_an_expired_collection_is_removed(
    session: Session, kind: str, expire: Callable[[Session], object]
) -> None:
    make(session, kind, "k")
    session.run("pexpire k 50")
    session.now += 51
    assert elements(session)
    expire(session)
    finish(session)
    assert elements(session) == {}
    check_counters(session)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    "lines",
    [
        ["rename k other"], ["move k 1"], ["swapdb 0 1"], ["copy k other"], ["rename k k"],
        ["rename k other", "rename other k"], ["move k 1", "swapdb 0 1"], ["expire k 100"],
        ["set other text", "rename k other"], ["flushdb"],
    ],
    ids=" then ".join,
)  # fmt: skip
def test_what_moves_keeps_its_elements(session: Session, kind: str, lines: list[str]) -> None:
    make(session, kind, "k")
    before = elements(session)
    if lines == ["flushdb"]:
        session.database = 1  # empty
    for line in lines:
        assert session.run(line)[:1] != b"-"
    finish(session)
    session.keyspace.reload()
    finish(session)
    assert before.items() <= elements(session).items()
    assert (len(elements(session)) == len(before)) == (lines != ["copy k other"])
    check_counters(session)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("removal", REMOVALS)
def test_a_removal_that_is_rolled_back_has_removed_nothing(
    session: Session, kind: str, removal: str
) -> None:
    """As after a failed write of the log: what was noted of it no longer holds."""
    make(session, kind, "k")
    durable = session.store.snapshot()
    for line in REMOVALS[removal]:
        session.run(line)
    session.store.restore(durable)
    session.keyspace.reload()
    finish(session)
    assert session.store.snapshot() == durable


def test_a_version_that_was_noted_by_mistake_lives(session: Session) -> None:
    make(session, "set", "k")
    before = session.store.snapshot()
    session.keyspace.reclaimer.note(1)
    session.keyspace.reclaimer.note(99)
    finish(session)
    assert session.store.snapshot() == before


def test_more_orphans_than_one_walk_looks_at(session: Session) -> None:
    """Blind overwriting tells nobody; the walk over the registry finds them all."""
    count = WALKED_AT_ONCE + 10
    for number in range(count):
        session.run(f"sadd k{number} a b")
        session.run(f"set k{number} text")
    session.run("sadd living a b")
    session.keyspace.reload()
    assert session.keyspace.reclaimer.orphan_count() == count
    finish(session)
    assert len(elements(session)) == 2
    check_counters(session)


def test_an_orphan_behind_more_living_ones_than_one_walk_looks_at(session: Session) -> None:
    count = WALKED_AT_ONCE + 10
    for number in range(count):
        session.run(f"sadd living{number} a b")
    session.run("sadd k a b")
    session.run("set k text")
    session.keyspace.reload()
    finish(session)
    assert len(elements(session)) == 2 * count
    check_counters(session)


def test_many_elements_go_with_few_deletions(session: Session) -> None:
    count = 2 * RANGE_KEYS_MIN
    session.words(b"sadd", b"k", *(b"%d" % number for number in range(count)))
    session.run("del k")
    assert session.keyspace.reclaimer.work(count) == count
    assert elements(session) == {}
    assert registered(session) == 1, "it goes last"
    session.keyspace.reclaimer.work(count)
    assert registered(session) == 0


def test_the_notes_are_bounded(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reclaim, "NOTED_MAX", 2)
    for number in range(5):
        session.run(f"sadd k{number} a b")
    session.run("del k0 k1 k2 k3 k4")
    monkeypatch.setattr(session.keyspace.reclaimer, "_walk", lambda: None)
    finish(session)
    assert registered(session) == 3, "those were not noted"
    monkeypatch.undo()
    finish(session)
    assert elements(session) == {}
    check_counters(session)


def test_the_home_of_a_version_follows_its_root(session: Session) -> None:
    make(session, "set", "k")
    session.run("rename k other")
    session.run("move other 2")
    stored = session.store.get(registry_key(1))
    assert stored == bytes((encoding.SET_KIND,)) + (2).to_bytes(4, "big") + b"other"
