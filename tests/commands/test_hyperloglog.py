"""HyperLogLog commands: what the differential tests cannot see."""

from __future__ import annotations

import pytest

from kiwi_engine.keyspace.hyperloglog import registers
from tests.commands.helpers import Session


@pytest.fixture
def session() -> Session:
    return Session()


def test_adding_what_is_known_writes_nothing(session: Session) -> None:
    session.run("pfadd a x y z")
    before = session.store.snapshot()
    assert session.run("pfadd a z y") == b":0\r\n"
    assert session.run("pfadd a") == b":0\r\n"
    assert session.store.snapshot() == before


def test_counting_keeps_the_estimate_unless_writes_are_refused(session: Session) -> None:
    session.run("pfadd a x y z")
    before = session.store.snapshot()
    session.keyspace.expiry.may_write = False
    assert session.run("pfcount a") == b":3\r\n"
    assert session.run("pfcount a a") == b":3\r\n"
    assert session.store.snapshot() == before
    session.keyspace.expiry.may_write = True
    assert session.run("pfcount a") == b":3\r\n"
    counted = session.store.snapshot()
    assert counted != before
    assert session.run("pfcount a") == b":3\r\n"
    assert session.store.snapshot() == counted


def test_an_estimate_is_taken_as_it_is_kept(session: Session) -> None:
    session.run("pfadd a x")
    session.words(b"setrange", b"a", b"8", (7).to_bytes(8, "little"))
    assert session.run("pfcount a") == b":7\r\n"
    assert session.run("pfcount a a") == b":1\r\n"


def test_made_up_registers_are_estimated_as_redis_does(session: Session) -> None:
    made_up = registers.pack(b"\x33" * registers.REGISTERS)
    session.words(b"set", b"a", b"HYLL\x00" + bytes(10) + b"\x80" + made_up)
    for line in ("pfcount a", "pfcount a a", "pfcount a"):
        assert session.run(line) == b":-9223372036854775808\r\n"


def test_the_limit_of_sparse_ones_is_a_setting(session: Session) -> None:
    session.keyspace.limits.hll_sparse_max_bytes = 20
    session.run("pfadd a a")
    assert session.run("pfdebug encoding a") == b"+dense\r\n"
    session.keyspace.limits.hll_sparse_max_bytes = 21
    session.run("pfadd b a")
    assert session.run("pfdebug encoding b") == b"+sparse\r\n"
    assert session.run("pfcount a b") == b":1\r\n"


@pytest.mark.parametrize("line", ["pfadd a new", "pfmerge a b", "pfmerge b a", "pfcount b a"])
def test_corrupt_ones_are_refused_and_nothing_changes(session: Session, line: str) -> None:
    session.words(b"set", b"a", b"HYLL\x01" + bytes(10) + b"\x80" + b"\x00")
    session.run("pfadd b x")
    before = session.store.snapshot()
    assert session.run(line) == b"-INVALIDOBJ Corrupted HLL object detected\r\n"
    assert session.store.snapshot() == before


def test_elements_in_front_of_a_corrupt_run_are_not_added_either(session: Session) -> None:
    """Redis keeps them. Here a command that fails changes nothing."""
    elements = [b"%d" % number for number in range(100)]
    places = sorted((registers.index_and_rank(element)[0], element) for element in elements)
    session.words(b"set", b"a", b"HYLL\x01" + bytes(10) + b"\x80" + b"\x3f" * 128)
    before = session.store.snapshot()
    reply = session.words(b"pfadd", b"a", places[0][1], places[-1][1])
    assert reply == b"-INVALIDOBJ Corrupted HLL object detected\r\n"
    assert session.store.snapshot() == before
    assert session.words(b"pfadd", b"a", places[0][1]) == b":1\r\n"


def test_the_self_test_passes_and_notices_a_fault(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert session.run("pfselftest") == b"+OK\r\n"
    assert session.store.snapshot() == {}
    with monkeypatch.context() as patch:
        patch.setattr(registers, "estimate", lambda _registers: 5000)
        assert session.run("pfselftest").startswith(b"-ERR TESTFAILED Too big error. card:1 ")
    with monkeypatch.context() as patch:
        patch.setattr(registers, "unpack", lambda _packed: registers.EMPTY)
        assert session.run("pfselftest").startswith(b"-ERR TESTFAILED registers")
    with monkeypatch.context() as patch:
        patch.setattr(registers, "raise_packed", lambda *_arguments: False)
        assert session.run("pfselftest").startswith(b"-ERR TESTFAILED dense/sparse disagree")
