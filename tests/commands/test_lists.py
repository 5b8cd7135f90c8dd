"""The list commands beyond what the comparison with Redis shows: what they leave in the store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kiwi_engine.keyspace.lists import spread as spread_lists
from kiwi_engine.resp.reply import bulk, bulk_array
from tests.commands.helpers import WRONG_TYPE, Session
from tests.keyspace.helpers import check_structure

INTEGER = b"-ERR value is not an integer or out of range\r\n"
SYNTAX = b"-ERR syntax error\r\n"


@pytest.fixture(params=[128, 2], ids=["packed", "spread"])
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    found = Session()
    found.keyspace.limits.packed_max_entries = request.param
    yield found
    check_structure(found.store)
    found.run("flushall")
    while found.keyspace.reclaim(100):
        pass
    left = {key[:1] for key in found.store.snapshot()}
    assert left <= {b"m"}, "nothing of a list outlives its key"


def elements(session: Session, key: str) -> bytes:
    return session.run(f"lrange {key} 0 -1")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("lpush s x", WRONG_TYPE),
        ("rpushx s x", WRONG_TYPE),
        ("lpop s", WRONG_TYPE),
        ("rpop s 2", WRONG_TYPE),
        ("lpop l x", b"-ERR value is out of range, must be positive\r\n"),
        ("lpop l 1 2", b"-ERR wrong number of arguments for 'lpop' command\r\n"),
        ("lset l 9 x", b"-ERR index out of range\r\n"),
        ("lset l x x", INTEGER),
        ("lset nokey 0 x", b"-ERR no such key\r\n"),
        ("linsert l between a x", SYNTAX),
        ("linsert l before nosuch x", b":-1\r\n"),
        ("lrem l x a", INTEGER),
        ("lrem l 0 nosuch", b":0\r\n"),
        ("ltrim l 0 x", INTEGER),
        ("ltrim s 0 0", WRONG_TYPE),
        ("lmove l s left right", WRONG_TYPE),
        ("lmove s l left right", WRONG_TYPE),
        ("lmove l l left up", SYNTAX),
        ("lmove nokey l left left", b"$-1\r\n"),
        ("rpoplpush l s", WRONG_TYPE),
        ("lmpop 2 s l left", WRONG_TYPE),
        ("lmpop 1 l left count 0", b"-ERR count should be greater than 0\r\n"),
        ("lmpop 1 l left count 1 count 2", SYNTAX),
        ("lmpop 0 l left", b"-ERR numkeys should be greater than 0\r\n"),
    ],
)
def test_a_command_that_does_nothing_changes_nothing(
    session: Session, line: str, error: bytes
) -> None:
    session.run("rpush l a b c a")
    session.run("set s text")
    before = session.store.snapshot()
    assert session.run(line) == error
    assert session.store.snapshot() == before


@pytest.mark.parametrize(
    "line",
    [
        "lpush l x", "rpush l x y", "lpop l", "rpop l 2", "lset l 0 x", "linsert l before b x",
        "lrem l 0 a", "ltrim l 1 2", "lmove l l left right", "lmove l other right left",
        "lmpop 1 l left",
    ],
)  # fmt: skip
def test_every_change_keeps_the_deadline(session: Session, line: str) -> None:
    session.run("rpush l a b c a")
    session.run("expire l 100")
    session.run(line)
    assert session.run("ttl l") == b":100\r\n"


@pytest.mark.parametrize(
    "line", ["lpop l 9", "ltrim l 1 0", "lrem l 0 a", "lmpop 1 l left count 9"]
)
def test_the_last_element_takes_the_key_and_its_deadline_with_it(
    session: Session, line: str
) -> None:
    session.run("rpush l a a a")
    session.run("expire l 100")
    session.run(line)
    assert session.run("exists l") == b":0\r\n"
    session.run("rpush l new")
    assert session.run("ttl l") == b":-1\r\n"


def test_an_expired_list_is_gone(session: Session) -> None:
    session.run("rpush l a b c")
    session.run("pexpire l 10")
    session.now += 11
    assert session.run("llen l") == b":0\r\n"
    assert session.run("lpushx l x") == b":0\r\n"
    assert session.run("rpush l x") == b":1\r\n"
    assert elements(session, "l") == bulk_array([b"x"])


def test_moving_the_last_element_removes_the_source(session: Session) -> None:
    session.run("rpush l a")
    assert session.run("lmove l m left right") == bulk(b"a")
    assert session.run("exists l m") == b":1\r\n"
    assert session.run("lmove m m left left") == bulk(b"a")
    assert elements(session, "m") == bulk_array([b"a"])


def test_a_copy_is_a_list_of_its_own(session: Session) -> None:
    session.run("rpush l a b c")
    session.run("copy l m")
    session.run("lset l 0 x")
    session.run("rpush m d")
    assert elements(session, "l") == bulk_array([b"x", b"b", b"c"])
    assert elements(session, "m") == bulk_array([b"a", b"b", b"c", b"d"])
    session.run("rename l m")
    assert elements(session, "m") == bulk_array([b"x", b"b", b"c"])


def test_a_string_over_a_list_leaves_nothing_of_it(session: Session) -> None:
    session.run("rpush l a b c")
    session.run("set l text")
    session.run("del l")
    session.run("rpush l x")
    assert elements(session, "l") == bulk_array([b"x"])


def test_many_elements_are_removed_with_one_range(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread_lists, "RANGE_ELEMENTS_MIN", 3)
    session.run("rpush l " + " ".join(map(str, range(20))))
    session.run("ltrim l 5 -6")
    assert elements(session, "l") == bulk_array([b"%d" % n for n in range(5, 15)])
    assert session.run("lpop l 4") == bulk_array([b"5", b"6", b"7", b"8"])
    assert session.run("rpop l 4") == bulk_array([b"14", b"13", b"12", b"11"])
    session.run("lpush l x")
    assert elements(session, "l") == bulk_array([b"x", b"9", b"10"])


@pytest.mark.parametrize(
    "line",
    ["linsert l before 9 x", "linsert l after 11 x", "lrem l 1 1", "lrem l -1 13",
     "lpos l nosuch", "lpop l 15", "lmove l l left right", "ltrim l 12 -1"],
)  # fmt: skip
def test_what_a_damaged_list_stops_in_the_middle_is_undone(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread_lists, "REWRITTEN_AT_ONCE", 3)
    session = Session()
    session.keyspace.limits.packed_max_entries = 2
    session.run("rpush l " + " ".join(map(str, range(20))))
    for key, element in session.store.snapshot().items():
        if key[:1] == b"l" and element in (b"0", b"4", b"15"):
            session.store.delete(key)
    before = session.store.snapshot()
    assert session.run(line).startswith(b"-ERR corruption: "), line
    assert session.store.snapshot() == before
