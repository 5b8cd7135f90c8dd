"""COPY, RENAME and MOVE of values of every type, in both forms."""

from __future__ import annotations

from typing import Final

import pytest

from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.spread.reclaim import STEPS_BETWEEN_WALKS
from kiwi_engine.keyspace.spread.versions import TABLES
from tests.commands.every_value import CASES, make, small_session
from tests.commands.helpers import NOW, Session

ELEMENT_TABLES: Final = {table for tables in TABLES.values() for table in tables}
# One change of each type, that does not fail whatever the value is.
CHANGES: Final = {
    "string": "SET key changed KEEPTTL",
    "list": "LSET key 0 changed",
    "set": "SADD key 77",
    "zset": "ZADD key 9 a",
    "hash": "HSET key a changed",
    "stream": "XADD key 99-0 changed 1",
}


@pytest.fixture(params=[False, True], ids=["packed", "spread"])
def session(request: pytest.FixtureRequest) -> Session:
    return small_session(is_spread=request.param)


def shown(session: Session, name: str, key: str, database: int = 0) -> list[bytes]:
    """Everything that is to be seen of a value, elements in an order of their own."""
    session.database = database
    show = CASES[name][1].replace(" key", f" {key}")
    questions = (show, f"PTTL {key}", f"OBJECT ENCODING {key}", f"DUMP {key}")
    replies = [session.run(question) for question in questions]
    session.database = 0
    if b"hashtable" in replies[2]:
        return [*sorted(replies[0].split(b"\r\n")), *replies[1:3]]
    return replies


def reclaim_all(session: Session) -> None:
    for _ in range(STEPS_BETWEEN_WALKS + 50):
        session.keyspace.reclaim(1000)


def element_count(session: Session) -> int:
    return sum(key[:1] in ELEMENT_TABLES for key in session.store.snapshot())


@pytest.mark.parametrize("deadline", ["", f"PEXPIREAT key {NOW + 5000}"])
@pytest.mark.parametrize("name", CASES)
def test_a_copy_is_the_same_and_another_one(session: Session, name: str, deadline: str) -> None:
    make(session, name)
    session.run(deadline or "PERSIST key")
    before = shown(session, name, "key")
    elements = element_count(session)
    session.run("SADD target 1 2 3 4 5 6 7")
    assert session.run("COPY key target") == b":0\r\n"
    assert session.run("COPY key target REPLACE") == b":1\r\n"
    assert session.run("COPY key key DB 3") == b":1\r\n"
    assert shown(session, name, "target") == before
    assert shown(session, name, "key", 3) == before

    kind = session.run("TYPE key")[1:-2].decode()
    assert not session.run(CHANGES[kind]).startswith(b"-")
    assert shown(session, name, "key") != before
    session.run("DEL key")
    assert shown(session, name, "target") == before
    reclaim_all(session)
    assert shown(session, name, "target") == before
    assert shown(session, name, "key", 3) == before
    assert element_count(session) == 2 * elements, "those of the set that was replaced are gone"
    session.run("FLUSHALL")
    reclaim_all(session)
    assert element_count(session) == 0


@pytest.mark.parametrize("deadline", ["", f"PEXPIREAT key {NOW + 5000}"])
@pytest.mark.parametrize("name", CASES)
def test_a_moved_value_is_the_same(session: Session, name: str, deadline: str) -> None:
    make(session, name)
    session.run(deadline or "PERSIST key")
    before = shown(session, name, "key")
    elements = element_count(session)
    session.run("SADD target 1 2 3 4 5 6 7")
    assert session.run("RENAMENX key target") == b":0\r\n"
    assert session.run("RENAME key target") == b"+OK\r\n"
    assert session.run("EXISTS key") == b":0\r\n"
    assert shown(session, name, "target") == before
    assert session.run("MOVE target 2") == b":1\r\n"
    assert session.run("EXISTS target") == b":0\r\n"
    reclaim_all(session)
    assert shown(session, name, "target", 2) == before
    assert element_count(session) == elements


@pytest.mark.parametrize("name", CASES)
def test_what_expires_takes_its_elements_along(session: Session, name: str) -> None:
    make(session, name)
    session.run(f"PEXPIREAT key {NOW + 5000}")
    session.run("COPY key target")
    session.run("RENAME key other")
    session.run("MOVE other 1")
    session.now += 5001
    assert session.run("EXISTS target") == b":0\r\n"
    session.keyspace.expire_cycle(session.now, 100)
    reclaim_all(session)
    # Entries of field deadlines stay until their time comes, which then find nothing.
    session.now += 10**12
    session.keyspace.expire_fields(session.now, 100)
    left = {key[:1] for key in session.store.snapshot()}
    assert left <= {encoding.META_NEXT_VERSION[:1]}


def test_copied_fields_expire_on_their_own(session: Session) -> None:
    session.run("HSET key a 1 b 2")
    session.run(f"HPEXPIREAT key {NOW + 100} FIELDS 1 a")
    session.run("COPY key target")
    session.run("HPERSIST key FIELDS 1 a")
    session.now += 101
    session.keyspace.expire_cycle(session.now, 100)
    assert session.run("HLEN key") == b":2\r\n"
    assert session.run("HKEYS target") == b"*1\r\n$1\r\nb\r\n"


def test_keys_of_one_name_are_told_apart(session: Session) -> None:
    session.run("RPUSH key a b c d e f g")
    assert session.run("COPY key key") == (b"-ERR source and destination objects are the same\r\n")
    assert session.run("COPY key key DB 1") == b":1\r\n"
    assert session.run("COPY key key DB 1") == b":0\r\n"
    assert session.run("RENAME key key") == b"+OK\r\n"
    assert session.run("MOVE key 1") == b":0\r\n"
    reclaim_all(session)
    assert session.run("LRANGE key 0 -1") == (
        b"*7\r\n" + b"".join(b"$1\r\n%c\r\n" % letter for letter in b"abcdefg")
    )
