"""Geo commands: what the differential tests cannot see."""

from __future__ import annotations

import pytest

from tests.commands.helpers import WRONG_TYPE, Session

SICILY = "geoadd s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania"
NOT_DECODED = b"-ERR could not decode requested zset member\r\n"


@pytest.fixture(params=[128, 1], ids=["packed", "spread"])
def session(request: pytest.FixtureRequest) -> Session:
    session = Session()
    session.keyspace.limits.packed_max_entries = request.param
    return session


@pytest.mark.parametrize(
    "line",
    [
        "georadiusbymember s nobody 1 km", "georadiusbymember_ro s nobody 1 km",
        "geosearch s frommember nobody byradius 1 km",
        "geosearchstore d s frommember nobody bybox 1 1 km",
    ],
)  # fmt: skip
def test_a_centre_that_is_missing_is_an_error_of_7_2(session: Session, line: str) -> None:
    session.run(SICILY)
    assert session.run(line) == NOT_DECODED


@pytest.mark.parametrize("name", ["geosearch", "GeoSearch"])
def test_one_shape_must_be_given(session: Session, name: str) -> None:
    reply = session.run(f"{name} s fromlonlat 1 1 asc desc asc").decode()
    assert reply == f"-ERR exactly one of BYRADIUS and BYBOX can be specified for {name}\r\n"


@pytest.mark.parametrize(
    "line",
    [
        "geoadd k 1 2 a", "geodist k a b", "geohash k a", "geopos k a",
        "geosearch k fromlonlat x y byradius 1 km",
        "geosearchstore d k fromlonlat 1 2 byradius 1 km", "georadius k x y 1 km",
        "georadius s 15 37 200 km store",
        "georadius s 15 37 200 km store d withdist", "georadiusbymember k a x km",
        "geoadd s 1 2 a 200 2 b", "geoadd s nx xx 1 2 a",
    ],
)  # fmt: skip
def test_failing_commands_change_nothing(session: Session, line: str) -> None:
    session.put_other_kind(b"k")
    session.run(SICILY)
    before = session.store.snapshot()
    reply = session.run(line)
    assert reply.startswith(b"-")
    assert (reply == WRONG_TYPE) == (" k " in line)
    assert session.store.snapshot() == before


@pytest.mark.parametrize(
    "line",
    [
        "geosearchstore d s fromlonlat 15 37 byradius 200 km",
        "georadius s 15 37 200 km store d",
        "georadiusbymember s Palermo 200 km store d",
    ],
)
def test_a_stored_result_replaces_whatever_was_there(session: Session, line: str) -> None:
    session.run(SICILY)
    session.run("set d old ex 100")
    assert session.run(line) == b":2\r\n"
    assert session.run("ttl d") == b":-1\r\n"
    assert session.run("geodist d Palermo Catania km") == b"$8\r\n166.2742\r\n"
    session.run("del s")
    assert session.run(line) == b":0\r\n"
    assert session.run("exists d") == b":0\r\n"


@pytest.mark.parametrize("shape", ["byradius inf m", "bybox inf inf m", "bybox inf 1 m"])
def test_a_shape_without_end(session: Session, shape: str) -> None:
    """Redis reads `inf`, and as a product of two large numbers it cannot be refused anyway."""
    session.run("geoadd s 15 37 here 100 37 far 10 -60 south")
    found = session.run(f"geosearch s fromlonlat 15 37 {shape} asc")
    everyone = b"*3\r\n$4\r\nhere\r\n$3\r\nfar\r\n$5\r\nsouth\r\n"
    assert found == (b"*2\r\n$4\r\nhere\r\n$3\r\nfar\r\n" if " 1 " in shape else everyone)


def test_a_search_looks_at_no_more_than_it_must(session: Session) -> None:
    """With ANY it stops early, and far away members are not read at all."""
    for number in range(200):
        session.run(f"geoadd s {15 + number / 1e5} 37 near{number} {-number / 2} -37 far{number}")
    reads = session.store.reads
    reply = session.run("geosearch s fromlonlat 15 37 byradius 1 km count 3 any")
    assert reply.startswith(b"*3\r\n")
    assert session.run("geosearch s fromlonlat 15 37 byradius 100 km").startswith(b"*200\r\n")
    assert session.store.reads - reads < 100
