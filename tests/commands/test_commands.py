"""What the differential tests cannot see: exact times, other types, limits, reads and refusals."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwi_engine import clock
from kiwi_engine.commands.server.debug import SLEEP_SECONDS_MAX, parse_seconds
from kiwi_engine.errors import OverloadedError
from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.database import Database
from tests.commands.helpers import NOW, WRONG_TYPE, Session


@pytest.fixture
def session() -> Session:
    return Session()


# Time


@pytest.mark.parametrize(
    ("after_ms", "ttl"), [(0, 10), (499, 10), (500, 10), (501, 9), (9500, 1), (9501, 0), (10000, 0)]
)
def test_ttl_rounds_to_the_nearest_second(session: Session, after_ms: int, ttl: int) -> None:
    session.run("set a 1 ex 10")
    session.now += after_ms
    assert session.run("ttl a") == b":%d\r\n" % ttl
    assert session.run("pttl a") == b":%d\r\n" % (10000 - after_ms)
    assert session.run("get a") == b"$1\r\n1\r\n"


@pytest.mark.parametrize(
    "line",
    [
        "set a 1 px 50", "set a 1 pxat 1700000000050", "psetex a 50 1", "pexpire a 50",
        "pexpireat a 1700000000050", "getex a px 50", "getex a pxat 1700000000050",
    ],
)  # fmt: skip
def test_every_way_to_set_a_deadline_ends_the_key(session: Session, line: str) -> None:
    session.run("set a 1")
    session.run(line)
    assert session.run("pexpiretime a") == b":%d\r\n" % (NOW + 50)
    session.now += 50
    assert session.run("exists a") == b":1\r\n"
    session.now += 1
    assert session.run("exists a") == b":0\r\n"
    assert session.run("dbsize") == b":0\r\n"
    assert session.store.snapshot() == {}


@pytest.mark.parametrize("line", ["append a 2", "setrange a 0 2", "incr a", "incrbyfloat a 1"])
def test_changed_strings_keep_their_deadline_and_expired_ones_begin_anew(
    session: Session, line: str
) -> None:
    session.run("set a 1 px 50")
    session.run(line)
    assert session.run("pttl a") == b":50\r\n"
    session.now += 51
    session.run(line)
    assert session.run("pttl a") == b":-1\r\n"
    assert session.run("get a") in (b"$1\r\n1\r\n", b"$1\r\n2\r\n")


def test_conditions_see_an_expired_key_as_absent(session: Session) -> None:
    session.run("set a 1 px 50")
    session.now += 51
    assert session.run("set a 2 xx") == b"$-1\r\n"
    session.run("set a 1 px 50")
    session.now += 51
    assert session.run("set a 2 nx get") == b"$-1\r\n"
    assert session.run("get a") == b"$1\r\n2\r\n"
    session.run("set b 1 px 50")
    session.now += 51
    assert session.run("renamenx a b") == b":1\r\n"
    assert session.run("copy nokey b") == b":0\r\n"


def test_object_encoding_does_not_depend_on_the_deadline(session: Session) -> None:
    session.run("set a 12 px 50")
    assert session.run("object encoding a") == b"$3\r\nint\r\n"
    assert session.run("object idletime a") == b":0\r\n"
    session.now += 51
    assert session.run("object encoding a") == b"$-1\r\n"
    assert session.run("object idletime a") == b"$-1\r\n"


# Other types


@pytest.mark.parametrize(
    "line",
    [
        "get a", "set a 1 get", "getset a 1", "getdel a", "getex a", "getex a ex bad", "append a 1",
        "strlen a", "setrange a 0 x", "setrange a 0 ''", "getrange a 0 1", "substr a 0 1",
        "incr a", "decr a", "incrby a 1", "decrby a 1", "incrbyfloat a 1", "incrbyfloat a bad",
    ],
)  # fmt: skip
def test_string_commands_refuse_other_types(session: Session, line: str) -> None:
    session.put_other_kind(b"a", NOW + 10)
    before = session.store.snapshot()
    assert session.run(line) == WRONG_TYPE
    assert session.store.snapshot() == before


def test_mget_takes_other_types_as_absent(session: Session) -> None:
    session.put_other_kind(b"a")
    session.run("set b 1")
    assert session.run("mget a b") == b"*2\r\n$-1\r\n$1\r\n1\r\n"


def test_mget_does_not_hide_a_failed_read(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_database: Database, _key: bytes, _now_ms: int) -> bytes:
        raise OverloadedError("OVERLOADED try later")

    monkeypatch.setattr(Database, "get", fail)
    assert session.run("mget a b") == b"-OVERLOADED try later\r\n"


@pytest.mark.parametrize("line", ["set a 1", "setex a 10 1", "mset a 1", "rename b a"])
def test_overwriting_does_not_ask_for_the_type(session: Session, line: str) -> None:
    session.put_other_kind(b"a")
    session.run("set b 1")
    assert session.run(line) == b"+OK\r\n"
    assert session.run("get a") == b"$1\r\n1\r\n"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("exists a", b":1\r\n"), ("touch a", b":1\r\n"), ("ttl a", b":10\r\n"),
        ("expire a 20", b":1\r\n"), ("persist a", b":1\r\n"), ("rename a b", b"+OK\r\n"),
        ("copy a b", b":1\r\n"), ("move a 1", b":1\r\n"), ("del a", b":1\r\n"),
        ("setnx a 1", b":0\r\n"), ("keys *", b"*1\r\n$1\r\na\r\n"), ("dbsize", b":1\r\n"),
    ],
)  # fmt: skip
def test_key_commands_serve_every_type(session: Session, line: str, reply: bytes) -> None:
    session.put_other_kind(b"a", NOW + 10_000)
    assert session.run(line) == reply


# Limits


def test_no_command_builds_a_value_beyond_the_limit(session: Session) -> None:
    refusal = b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"
    session.keyspace.value_bytes_max = 10
    session.run("set a 12345678")
    assert session.run("append a 90") == b":10\r\n"
    assert session.run("append a 1") == refusal
    assert session.run("setrange a 10 x") == refusal
    assert session.run("setrange a 9 x") == b":10\r\n"
    assert session.run("setrange b 10 x") == refusal
    assert session.run("setrange a 9223372036854775807 x") == refusal
    assert session.run("append a ''") == b":10\r\n"
    assert session.run("exists b") == b":0\r\n"


# Reads


@pytest.mark.parametrize(
    "line", ["set a 2", "set a 2 ex 10", "mset a 2 b 3", "setex a 10 2", "psetex a 10 2"]
)
def test_blind_writes_read_nothing(session: Session, line: str) -> None:
    session.run("set a 1 ex 100")
    session.store.reads = 0
    assert session.run(line) == b"+OK\r\n"
    assert session.store.reads == 0


# Errors


words = st.sampled_from(
    [b"a", b"b", b"1", b"-1", b"x", b"", b"nx", b"xx", b"get", b"ex", b"px", b"db", b"replace",
     b"keepttl", b"99999999999999999999", b"16", b"gt", b"idx", b"len", b"count", b"match"]
)  # fmt: skip
names = st.sampled_from(
    [b"set", b"setex", b"getex", b"mset", b"msetnx", b"append", b"setrange", b"incr", b"incrby",
     b"incrbyfloat", b"rename", b"copy", b"move", b"expire", b"expireat", b"swapdb", b"flushdb",
     b"lcs", b"scan", b"object", b"getdel", b"persist"]
)  # fmt: skip


@given(st.lists(st.tuples(names, st.lists(words, max_size=5)), max_size=12))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_command_that_fails_changes_nothing(
    commands: list[tuple[bytes, list[bytes]]],
) -> None:
    session = Session()
    session.run("mset a 1 b text")
    session.put_other_kind(b"x", NOW + 10)
    for name, rest in commands:
        before = session.store.snapshot()
        reply = session.words(name, *rest)
        assert b"internal error" not in reply
        if reply[:1] == b"-":
            assert session.store.snapshot() == before


def test_help_is_an_array_of_lines(session: Session) -> None:
    for line in ("object help", "debug help"):
        reply = session.run(line)
        assert reply.count(b"\r\n+") == int(reply[1 : reply.index(b"\r\n")])
        assert b"HELP" in reply


# DEBUG


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(b"1.5", 1.5), (b" 2x", 2.0), (b"x", 0.0), (b"", 0.0), (b".5", 0.5), (b"1e-3", 0.001),
     (b"-3", -3.0), (b"1e300", SLEEP_SECONDS_MAX), (b"inf", 0.0)],
)  # fmt: skip
def test_seconds_are_read_as_far_as_they_go(text: bytes, seconds: float) -> None:
    assert parse_seconds(text) == seconds


def test_debug_sleep_sleeps(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(clock, "sleep", slept.append)
    assert session.run("debug sleep 0.25") == b"+OK\r\n"
    assert session.run("debug sleep -1") == b"+OK\r\n"
    assert slept == [0.25]


# Databases


def test_flushall_leaves_nothing_but_numbers(session: Session) -> None:
    for database in range(16):
        session.database = database
        session.run("set a 1 ex 10")
    assert session.run("flushall") == b"+OK\r\n"
    for database in range(16):
        session.database = database
        assert session.run("dbsize") == b":0\r\n"
    while session.keyspace.reclaim(1):
        pass
    assert session.store.snapshot().keys() == {encoding.META_NAMESPACES}
