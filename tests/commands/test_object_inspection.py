"""OBJECT: encodings by Redis' thresholds, references, and when keys were used."""

from __future__ import annotations

from typing import Final

import pytest

from tests.commands.helpers import Session

# Settings that count up to two -> the commands after which the encoding changes, and to what.
GROWING: Final = [
    ("hash_max_listpack_entries", ["hset k a 1 b 2"], "hset k c 3", "listpack", "hashtable"),
    ("hash_max_listpack_value", ["hset k a bb"], "hset k a ccc", "listpack", "hashtable"),
    ("set_max_intset_entries", ["sadd k 1 2"], "sadd k 3", "intset", "hashtable"),
    ("set_max_listpack_entries", ["sadd k a b"], "sadd k c", "listpack", "hashtable"),
    ("set_max_listpack_value", ["sadd k aa"], "sadd k bbb", "listpack", "hashtable"),
    ("zset_max_listpack_entries", ["zadd k 1 a 2 b"], "zadd k 3 c", "listpack", "skiplist"),
    ("zset_max_listpack_value", ["zadd k 1 aa"], "zadd k 3 ccc", "listpack", "skiplist"),
    ("list_max_listpack_size", ["rpush k a b"], "rpush k c", "listpack", "quicklist"),
]


@pytest.fixture(params=["packed", "spread"])
def session(request: pytest.FixtureRequest) -> Session:
    made = Session()
    if request.param == "spread":
        made.keyspace.limits.packed_max_entries = 1
        made.keyspace.limits.paged_min_bytes = 8
    return made


def encoding(session: Session, key: str = "k") -> str:
    return session.run(f"object encoding {key}").decode().split("\r\n")[1]


@pytest.mark.parametrize(("setting", "before", "after", "small", "large"), GROWING)
def test_an_encoding_follows_its_threshold(
    session: Session, setting: str, before: list[str], after: str, small: str, large: str
) -> None:
    setattr(session.keyspace.limits, setting, 2)
    for command in before:
        session.run(command)
    assert encoding(session) == small
    session.run("expire k 1000")
    session.run(after)
    assert encoding(session) == large, "also with a deadline"
    session.run("persist k")
    assert encoding(session) == large


def test_other_encodings(session: Session) -> None:
    session.run("xadd k 1-1 a b")
    assert encoding(session) == "stream"
    session.run("set s 12")
    assert encoding(session, "s") == "int"
    session.run("setbit s 800 1")
    assert encoding(session, "s") == "raw"
    session.run("set s " + "x" * 44)
    assert encoding(session, "s") == "embstr"
    session.run("set s " + "x" * 45 + " px 100")
    assert encoding(session, "s") == "raw"
    session.run("hset h a 1")
    session.run("hexpire h 1000 fields 1 a")
    assert encoding(session, "h") == "listpackex"


@pytest.mark.parametrize("command", ["encoding", "refcount", "freq", "idletime"])
def test_nothing_is_said_of_a_key_that_is_not_there(session: Session, command: str) -> None:
    assert session.run(f"object {command} k") == b"$-1\r\n"
    session.run("set k 1 px 10")
    session.now += 20
    assert session.run(f"object {command} k") == b"$-1\r\n"


def test_references(session: Session) -> None:
    session.run("rpush k a b c")
    assert session.run("object refcount k") == b":1\r\n"
    for value, count in ((b"9999", 2**31 - 1), (b"10000", 1), (b"-1", 1), (b"abc", 1)):
        session.words(b"set", b"k", value)
        assert session.run("object refcount k") == b":%d\r\n" % count


def test_frequency_needs_a_policy_that_does_not_exist(session: Session) -> None:
    session.run("set k 1")
    assert session.run("object freq k").startswith(b"-ERR An LFU maxmemory policy is not selected")


def idle_seconds(session: Session) -> int:
    return int(session.run("object idletime k")[1:])


USES: Final = {
    "string": ("set k 1", ["get k", "set k 2", "append k x", "strlen k", "getrange k 0 1"]),
    "list": ("rpush k a b c", ["lrange k 0 -1", "rpush k d", "llen k", "dump k"]),
    "hash": ("hset k a 1 b 2", ["hget k a", "hset k c 3", "expire k 1000", "hscan k 0"]),
    "set": ("sadd k a b", ["sismember k a", "sadd k c", "copy k other", "sinter k nokey"]),
    "sorted set": ("zadd k 1 a 2 b", ["zscore k a", "zadd k 3 c", "touch nokey k"]),
    "stream": ("xadd k 1-1 a b", ["xrange k - +", "xadd k 2-1 a b", "xlen k"]),
}
NO_USES: Final = [
    "object encoding k",
    "object refcount k",
    "object idletime k",
    "exists k",
    "type k",
    "ttl k",
    "memory usage k",
    "scan 0",
    "get other",
]


@pytest.mark.parametrize("name", USES)
def test_a_use_ends_idleness_and_a_question_does_not(session: Session, name: str) -> None:
    create, uses = USES[name]
    session.run(create)
    for use in uses:
        session.now += 20_000
        for question in NO_USES:
            session.run(question)
        assert idle_seconds(session) == 20, use
        session.run(use)
        assert idle_seconds(session) == 0, use


def test_keys_of_different_databases_are_different(session: Session) -> None:
    session.run("set k 1")
    session.now += 30_000
    session.database = 1
    session.run("set k 1")
    session.now += 5_000
    assert idle_seconds(session) == 5
    session.run("swapdb 0 1")
    assert idle_seconds(session) == 35


def test_a_restored_key_may_have_been_idle(session: Session) -> None:
    session.run("set k hello")
    sealed = session.run("dump k").partition(b"\r\n")[2][:-2]
    session.words(b"restore", b"k", b"0", sealed, b"replace", b"idletime", b"77")
    assert idle_seconds(session) == 77
    session.now += 3000
    assert idle_seconds(session) == 80
    session.run("get k")
    assert idle_seconds(session) == 0
