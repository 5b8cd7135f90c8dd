"""Events of keys and fields whose time passes, with nobody's command."""

from __future__ import annotations

import pytest

from tests.notifications.observed import ObservedSession

SMALL = "hset h f 1 g 2 other 3"
# Spread over entries of its own.
LARGE = "hset h " + " ".join(f"field{number} v" for number in range(200))
LATER_MS = 1000


@pytest.fixture
def session() -> ObservedSession:
    return ObservedSession("KEA")


def test_the_cycle_removes_keys(session: ObservedSession) -> None:
    session.run("psetex a 10 x")
    session.database = 2
    session.run("psetex b 20 x")
    session.told()
    session.now += LATER_MS
    assert session.keyspace.expire_cycle(session.now, 100) == 2
    assert session.told() == ["expired a", "expired b@2"]
    assert session.keyspace.expire_cycle(session.now, 100) == 0
    assert session.told() == []


def test_the_key_is_told_of_once(session: ObservedSession) -> None:
    session.run("psetex a 10 x")
    session.now += LATER_MS
    assert session.events("get a") == ["expired a"]
    session.keyspace.expire_cycle(session.now, 100)
    assert session.told() == []


def test_an_expired_key_may_have_to_wait(session: ObservedSession) -> None:
    """While writes are refused it is hidden, and told of when it is removed."""
    session.run("psetex a 10 x")
    session.now += LATER_MS
    session.keyspace.expiry.may_write = False
    assert session.events("get a") == []
    session.keyspace.expiry.may_write = True
    assert session.events("get a") == ["expired a"]


def test_a_blind_write_need_not_look_for_others(session: ObservedSession) -> None:
    """Who does not ask for expired keys does not make SET read."""
    session.publish("E$")
    session.run("psetex a 10 x")
    session.now += LATER_MS
    assert session.events("set a y") == ["set a"]
    session.publish("E$x")
    session.run("psetex a 10 x")
    session.now += LATER_MS
    assert session.events("set a y") == ["expired a", "set a"]


@pytest.mark.parametrize("line", [SMALL, LARGE], ids=["small", "large"])
def test_the_cycle_removes_fields(session: ObservedSession, line: str) -> None:
    session.run(line)
    fields = line.split()[2:6:2]
    assert session.events(f"hpexpire h 10 fields 2 {' '.join(fields)}") == ["hexpire h"]
    session.now += LATER_MS
    session.keyspace.expire_fields(session.now, 1000)
    assert session.told() == ["hexpired h"]
    assert session.run("exists h") == b":1\r\n"


@pytest.mark.parametrize("line", [SMALL, LARGE], ids=["small", "large"])
def test_the_last_field_takes_the_key_with_it(session: ObservedSession, line: str) -> None:
    session.run(line)
    fields = line.split()[2::2]
    session.run(f"hpexpire h 10 fields {len(fields)} {' '.join(fields)}")
    session.told()
    session.now += LATER_MS
    session.keyspace.expire_fields(session.now, 1000)
    assert session.told() == ["hexpired h", "del h"]
    assert session.run("exists h") == b":0\r\n"


def test_a_write_removes_what_has_expired(session: ObservedSession) -> None:
    session.run(SMALL)
    session.run("hpexpire h 10 fields 1 f")
    session.now += LATER_MS
    assert session.events("hset h other 4") == ["hexpired h", "hset h"]
    session.keyspace.expire_fields(session.now, 1000)
    assert session.told() == []


def test_a_hash_without_a_living_field_is_made_anew(session: ObservedSession) -> None:
    session.run("hset h f 1")
    session.run("hpexpire h 10 fields 1 f")
    session.now += LATER_MS
    assert session.events("hset h f 2") == ["hexpired h", "del h", "hset h"]


def test_fields_with_a_deadline_in_the_past_are_deleted(session: ObservedSession) -> None:
    session.run(SMALL)
    assert session.events("hpexpire h 0 fields 1 f") == ["hdel h"]
    assert session.events("hpexpire h 0 fields 2 g other") == ["hdel h", "del h"]
    assert session.events("hpexpire h 0 fields 1 f") == []


def test_persisted_fields(session: ObservedSession) -> None:
    session.run(SMALL)
    assert session.events("hpersist h fields 1 f") == []
    session.run("hpexpire h 10 fields 1 f")
    assert session.events("hpersist h fields 1 f") == ["hpersist h"]
