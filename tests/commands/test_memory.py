"""MEMORY USAGE against what is really in the store."""

from __future__ import annotations

from typing import Final

import pytest

from kiwi_engine.keyspace import encoding
from tests.commands.helpers import NOW, Session

# Commands that make `k` with six elements, or many of about the same size.
CASES: Final = {
    "string": ["set k hello"],
    "expiring string": ["set k hello px 1000"],
    "paged string": ["setbit k 9000 1", "setbit k 90000 1"],
    "list": ["rpush k a b c d e f"],
    "set": ["sadd k a b c d e f", "expire k 100"],
    "sorted set": ["zadd k 1 a 2 b 3 c 4 d 5 e 6 f"],
    "hash": ["hset k a 1 b 2 c 3 d 4 e 5 f 6"],
    "hash with deadlines": [
        "hset k a 1 b 2 c 3 d 4 e 5 f 6",
        f"hpexpireat k {NOW + 500} fields 2 a b",
        f"hpexpireat k {NOW + 700} fields 1 c",
    ],
    "stream": [
        *(f"xadd k {n}-1 field value" for n in range(1, 7)),
        "xgroup create k g 0",
        "xgroup createconsumer k g idle",
        "xreadgroup group g alice count 4 streams k >",
    ],
}


@pytest.fixture(params=["packed", "spread"])
def session(request: pytest.FixtureRequest) -> Session:
    made = Session()
    if request.param == "spread":
        made.keyspace.limits.packed_max_entries = 1
        made.keyspace.limits.paged_min_bytes = 8
    return made


def stored_bytes(session: Session) -> int:
    """What is in the store, but for what belongs to no key."""
    return sum(
        len(key) + len(value)
        for key, value in session.store.snapshot().items()
        if key != encoding.META_NEXT_VERSION
    )


def usage(session: Session, options: str = "") -> int:
    return int(session.run(f"memory usage k {options}")[1:])


@pytest.mark.parametrize("name", CASES)
def test_every_byte_of_a_key_is_counted(session: Session, name: str) -> None:
    for command in CASES[name]:
        assert not session.run(command).startswith(b"-"), command
    assert usage(session, "samples 0") == stored_bytes(session)
    assert usage(session, "samples 1000") == stored_bytes(session)


@pytest.mark.parametrize("name", ["list", "set", "sorted set", "hash", "stream"])
def test_a_sample_stands_for_all(session: Session, name: str) -> None:
    """Elements of one size: five of them tell all."""
    for n in range(1000, 1400):
        session.run(
            {
                "list": f"rpush k value-{n}",
                "set": f"sadd k member-{n}",
                "sorted set": f"zadd k {n} member-{n}",
                "hash": f"hset k field-{n} value-{n}",
                "stream": f"xadd k {n}-1 field value-{n}",
            }[name]
        )
    if name == "stream":
        for group in range(10):
            session.run(f"xgroup create k g{group} 0")
            session.run(f"xreadgroup group g{group} alice count 40 streams k >")
    exact = stored_bytes(session)
    assert usage(session, "samples 0") == exact
    assert abs(usage(session) - exact) < exact // 20


def test_a_sample_of_a_string_in_pages(session: Session) -> None:
    session.words(b"set", b"k", b"x" * 5000)
    session.run("setbit k 40100 1")
    exact = stored_bytes(session)
    assert abs(usage(session) - exact) <= exact // 100


@pytest.mark.parametrize(
    ("options", "reply"),
    [
        ("samples", b"-ERR syntax error\r\n"),
        ("samples x", b"-ERR value is not an integer or out of range\r\n"),
        ("samples -1", b"-ERR syntax error\r\n"),
        ("foo 1", b"-ERR syntax error\r\n"),
        ("samples 1 SAMPLES 2", b"$-1\r\n"),
        ("", b"$-1\r\n"),
    ],
)
def test_options(session: Session, options: str, reply: bytes) -> None:
    assert session.run(f"memory usage k {options}") == reply


def test_an_expired_key_takes_no_room(session: Session) -> None:
    session.run("set k hello px 10")
    session.now += 20
    assert session.run("memory usage k") == b"$-1\r\n"


def test_what_the_network_runtime_answers_is_not_for_scripts(session: Session) -> None:
    assert b"not allowed from script" in session.run("memory stats")
    assert b"unknown subcommand 'foo'" in session.run("memory foo")
