"""Hash commands: deadlines of fields, random fields, and what the differential tests cannot see."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwi_engine.resp.reply import array, bulk, bulk_array
from kiwi_engine.resp.reply import integer as integer_reply
from tests.commands.helpers import NOW, WRONG_TYPE, Session

NULL = b"$-1\r\n"
MISSING_FIELDS = b"-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"
WRONG_COUNT = b"-ERR The `numfields` parameter must match the number of arguments\r\n"


@pytest.fixture(params=[1000, 1], ids=["packed", "spread"])
def session(request: pytest.FixtureRequest) -> Session:
    session = Session()
    session.keyspace.limits.packed_max_entries = request.param
    return session


def integers(*numbers: int) -> bytes:
    return array([integer_reply(number) for number in numbers])


# Deadlines


@pytest.mark.parametrize(
    "line",
    [
        "hexpire h 10 fields 2 a nofield", "hpexpire h 10000 FIELDS 2 a nofield",
        "hexpireat h 1700000010 fields 2 a nofield",
        "hpexpireat h 1700000010000 Fields 2 a nofield",
        "hexpire h 10 nx fields 2 a nofield", "hexpire h 10 LT fields 2 a nofield",
    ],
)  # fmt: skip
def test_every_way_to_set_a_deadline_ends_the_field(session: Session, line: str) -> None:
    session.run("hset h a 1 b 2")
    assert session.run(line) == integers(1, -2)
    assert session.run("hpexpiretime h fields 3 a b c") == integers(NOW + 10_000, -1, -2)
    session.now += 10_000
    assert session.run("hget h a") == bulk(b"1")
    session.now += 1
    assert session.run("hget h a") == NULL
    assert session.run("hmget h a b") == array([NULL, bulk(b"2")])
    assert session.run("hgetall h") == bulk_array([b"b", b"2"])
    assert session.run("hkeys h") == bulk_array([b"b"])
    assert session.run("hvals h") == bulk_array([b"2"])
    assert session.run("hlen h") == b":1\r\n"
    assert session.run("hexists h a") == b":0\r\n"
    assert session.run("hstrlen h a") == b":0\r\n"
    assert session.run("hscan h 0") == array([bulk(b"0"), bulk_array([b"b", b"2"])])
    assert session.run("hrandfield h 5 withvalues") == bulk_array([b"b", b"2"])
    assert session.run("httl h fields 1 a") == integers(-2)
    assert session.run("hpersist h fields 1 a") == integers(-2)
    assert session.run("hexpire h 10 fields 1 a") == integers(-2)
    assert session.run("hdel h a") == b":0\r\n"
    assert session.run("hsetnx h a 3") == b":1\r\n"


@pytest.mark.parametrize(
    ("after_ms", "ttl"), [(0, 10), (1, 10), (999, 10), (1000, 9), (9999, 1), (10000, 0)]
)
def test_seconds_are_rounded_up(session: Session, after_ms: int, ttl: int) -> None:
    session.run("hset h a 1")
    session.run("hexpire h 10 fields 1 a")
    session.now += after_ms
    assert session.run("httl h fields 1 a") == integers(ttl)
    assert session.run("hpttl h fields 1 a") == integers(10_000 - after_ms)
    assert session.run("hexpiretime h fields 1 a") == integers(NOW // 1000 + 10)


@pytest.mark.parametrize(
    ("condition", "without", "later", "earlier", "equal"),
    [
        ("nx", 1, 0, 0, 0),
        ("xx", 0, 1, 1, 1),
        ("gt", 0, 1, 0, 0),
        ("lt", 1, 0, 1, 0),
        ("", 1, 1, 1, 1),
    ],
)
def test_conditions(
    session: Session, condition: str, without: int, later: int, earlier: int, equal: int
) -> None:
    for seconds, outcome in ((None, without), (30, later), (10, earlier), (20, equal)):
        session.run("del h")
        session.run("hset h a 1")
        if seconds is not None:
            session.run("hexpire h 20 fields 1 a")
        line = f"hexpire h {seconds or 5} {condition} fields 2 a x"
        assert session.run(line) == integers(outcome, -2)


def test_a_deadline_in_the_past_deletes_at_once(session: Session) -> None:
    session.run("hset h a 1 b 2 c 3 d 4")
    assert session.run("hexpire h 0 fields 2 a a") == integers(2, -2)
    assert session.run("hexpireat h 1 fields 1 b") == integers(2)
    assert session.run(f"hpexpireat h {NOW} fields 1 c") == integers(2)
    assert session.run("hgetall h") == bulk_array([b"d", b"4"])
    assert session.run("hexpire h 0 gt fields 1 d") == integers(0)
    assert session.run("hpexpire h 0 fields 1 d") == integers(2)
    assert session.run("exists h") == b":0\r\n"


def test_what_changes_a_value_keeps_its_deadline_and_what_sets_it_does_not(
    session: Session,
) -> None:
    session.run("hset h a 1 b 1 c 1 d 1")
    session.run("hexpire h 10 fields 4 a b c d")
    session.run("hincrby h a 1")
    session.run("hincrbyfloat h b 1")
    session.run("hset h c 1")
    session.run("hmset h d 1")
    assert session.run("httl h fields 4 a b c d") == integers(10, 10, -1, -1)
    assert session.run("hpersist h fields 4 a c x a") == integers(1, -1, -2, -1)
    assert session.run("httl h fields 2 a b") == integers(-1, 10)


def test_a_count_begins_anew_when_its_field_has_expired(session: Session) -> None:
    session.run("hset h a 5 b 5 c 5")
    session.run("hpexpire h 10 fields 2 a b")
    session.now += 11
    assert session.run("hincrby h a 1") == b":1\r\n"
    assert session.run("hincrbyfloat h b 1.5") == bulk(b"1.5")
    assert session.run("httl h fields 2 a b") == integers(-1, -1)


def test_deadlines_travel_with_the_hash(session: Session) -> None:
    session.run("hset h a 1 b 2")
    session.run("hexpire h 10 fields 1 a")
    session.run("rename h g")
    session.run("copy g k")
    session.run("move g 1")
    session.database = 1
    assert session.run("httl g fields 2 a b") == integers(10, -1)
    session.database = 0
    assert session.run("httl k fields 2 a b") == integers(10, -1)
    session.now += 10_001
    assert (
        session.keyspace.expire_fields(session.now, 100) == 4
    )  # two fields, and stale entries of h and g
    assert session.run("hlen k") == b":1\r\n"
    assert session.run("object encoding k") in (bulk(b"listpackex"), bulk(b"hashtable"))


def test_a_hash_without_living_fields_answers_like_none(session: Session) -> None:
    session.run("hset h a 1 b 2")
    session.run("hpexpire h 10 fields 2 a b")
    session.now += 11
    assert session.run("hgetall h") == b"*0\r\n"
    assert session.run("hlen h") == b":0\r\n"
    assert session.run("hrandfield h") == NULL
    assert session.run("hrandfield h 2") == b"*0\r\n"
    assert session.run("hrandfield h -2") == b"*0\r\n"
    assert session.run("hscan h 0") == array([bulk(b"0"), b"*0\r\n"])
    assert session.run("hdel h a b") == b":0\r\n"
    session.keyspace.expire_fields(session.now, 10)
    assert session.run("exists h") == b":0\r\n"


def test_nothing_is_removed_while_writes_are_refused(session: Session) -> None:
    session.run("hset h a 1 b 2")
    session.run("hpexpire h 10 fields 1 a")
    session.now += 11
    session.keyspace.expiry.may_write = False
    before = session.store.snapshot()
    assert session.run("hgetall h") == bulk_array([b"b", b"2"])
    assert session.run("hlen h") == b":1\r\n"
    assert session.store.snapshot() == before


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("hexpire s notanumber fields 1 a", WRONG_TYPE),
        ("httl s fields 1 a", WRONG_TYPE),
        ("hpersist s fields 1 a", WRONG_TYPE),
        ("hexpire h x fields 1 a", b"-ERR value is not an integer or out of range\r\n"),
        ("hexpire h -1 fields 1 a", b"-ERR invalid expire time, must be >= 0\r\n"),
        ("hexpire h 70368744178 fields 1 a", b"-ERR invalid expire time in 'hexpire' command\r\n"),
        ("hpexpire h 70368744177663 fields 1 a",
         b"-ERR invalid expire time in 'hpexpire' command\r\n"),
        ("hpexpireat h 70368744177664 fields 1 a",
         b"-ERR invalid expire time in 'hpexpireat' command\r\n"),
        ("hpexpireat h 70368744177663 fields 1 a", integers(1)),
        ("hexpire h 10 what 1 a", MISSING_FIELDS),
        ("hexpire h 10 nx what 1 a", MISSING_FIELDS),
        ("hexpire h 10 nx xx fields 1 a", MISSING_FIELDS),
        ("httl h what 1 a", MISSING_FIELDS),
        ("hpersist h what 1 a", MISSING_FIELDS),
        ("hexpire h 10 fields 0 a", b"-ERR Parameter `numFields` should be greater than 0\r\n"),
        ("hexpire h 10 fields x a", b"-ERR Parameter `numFields` should be greater than 0\r\n"),
        ("httl h fields 0 a", b"-ERR Number of fields must be a positive integer\r\n"),
        ("hpersist h fields x a", b"-ERR Number of fields must be a positive integer\r\n"),
        ("hexpire h 10 fields 2 a", WRONG_COUNT),
        ("hexpire h 10 fields 1 a b", WRONG_COUNT),
        ("hexpire h 10 nx fields 1", WRONG_COUNT),
        ("httl h fields 2 a", WRONG_COUNT),
        ("hexpire h 10 fields 1", b"-ERR wrong number of arguments for 'hexpire' command\r\n"),
        ("httl h fields 1", b"-ERR wrong number of arguments for 'httl' command\r\n"),
        ("hexpire nokey 10 fields 2 a b", integers(-2, -2)),
        ("httl nokey fields 2 a b", integers(-2, -2)),
        ("hpersist nokey fields 2 a b", integers(-2, -2)),
        ("hexpire nokey 10 fields 3 a b", WRONG_COUNT),
    ],
)  # fmt: skip
def test_replies_are_those_of_redis_7_4(session: Session, line: str, reply: bytes) -> None:
    session.run("hset h a 1")
    session.run("set s text")
    assert session.run(line) == reply


def test_novalues_leaves_the_values_out(session: Session) -> None:
    session.run("hset h novalues 1 b 2")
    page = array([bulk(b"0"), bulk_array([b"novalues", b"b"])])
    assert session.run("hscan h 0 novalues") == page
    assert session.run("hscan h 0 count 5 NOVALUES match *") == page
    assert session.run("hscan h 0 match novalues") == array(
        [bulk(b"0"), bulk_array([b"novalues", b"1"])]
    )
    assert session.run("hscan h 0 novalues match") == b"-ERR syntax error\r\n"


# Random fields


def test_random_fields_are_all_picked(session: Session) -> None:
    session.keyspace.limits.hash_max_listpack_entries = 4
    names = [b"f%d" % number for number in range(20)]
    for name in names:
        session.words(b"hset", b"h", name, b"v" + name)
    single = Counter(session.run("hrandfield h") for _ in range(2000))
    assert set(single) == {bulk(name) for name in names}
    assert max(single.values()) < 5 * min(single.values())
    for count in (1, 5, 19):
        reply = session.run(f"hrandfield h {count} withvalues")
        words = reply.split(b"\r\n")[2::2]
        assert len(set(words[::2])) == count
        assert [b"v" + field for field in words[::2]] == words[1::2]
    repeated = session.run("hrandfield h -100").split(b"\r\n")[2::2]
    assert len(repeated) == 100
    assert set(repeated) <= set(names)
    session.resp3 = True
    assert session.run("hrandfield h 2 withvalues").startswith(b"*2\r\n*2\r\n$")


# Atomicity


words = st.sampled_from(
    [b"h", b"g", b"s", b"a", b"b", b"1", b"-1", b"x", b"", b"fields", b"2", b"nx", b"gt", b"0",
     b"99999999999999999999", b"withvalues", b"inf", b"count", b"novalues", b"match"]
)  # fmt: skip
names = st.sampled_from(
    [b"hset", b"hmset", b"hsetnx", b"hdel", b"hincrby", b"hincrbyfloat", b"hexpire", b"hpexpireat",
     b"hpersist", b"httl", b"hrandfield", b"hscan", b"hmget"]
)  # fmt: skip


@given(
    packed_max_entries=st.sampled_from([1, 3, 1000]),
    commands=st.lists(st.tuples(names, st.lists(words, max_size=6)), max_size=12),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_command_that_fails_changes_nothing(
    packed_max_entries: int, commands: list[tuple[bytes, list[bytes]]]
) -> None:
    session = Session()
    session.keyspace.limits.packed_max_entries = packed_max_entries
    session.run("hset h a 1 b text")
    session.run("set s text")
    for name, rest in commands:
        before = session.store.snapshot()
        reply = session.words(name, *rest)
        assert b"internal error" not in reply
        if reply[:1] == b"-":
            assert session.store.snapshot() == before
