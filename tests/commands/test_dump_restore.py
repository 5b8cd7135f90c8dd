"""DUMP and RESTORE among keys of this server; tests/rdb exchanges payloads with real ones."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwi_engine.commands.executor import INTERNAL_ERROR
from kiwi_engine.rdb import encode, payload
from kiwi_engine.rdb.encode import Encoded
from tests.commands.every_value import CASES, make, small_session
from tests.commands.helpers import NOW, Session

OK: Final = b"+OK\r\n"
BUSY: Final = b"-BUSYKEY Target key name already exists.\r\n"
WRONG_PAYLOAD: Final = b"-ERR DUMP payload version or checksum are wrong\r\n"
BAD_FORMAT: Final = b"-ERR Bad data format\r\n"


@pytest.fixture(params=[False, True], ids=["packed", "spread"])
def session(request: pytest.FixtureRequest) -> Session:
    return small_session(is_spread=request.param)


def dumped(session: Session, key: bytes = b"key") -> bytes:
    reply = session.words(b"DUMP", key)
    assert reply.startswith(b"$")
    return reply.partition(b"\r\n")[2][:-2]


def elements(reply: bytes) -> list[bytes]:
    return sorted(reply.split(b"\r\n"))


@pytest.mark.parametrize("name", CASES)
def test_what_was_dumped_is_restored(session: Session, name: str) -> None:
    _, show = CASES[name]
    make(session, name)
    before, kind = session.run(show), session.run("TYPE key")
    encoding = session.run("OBJECT ENCODING key")
    sealed = dumped(session)
    session.run("DEL key")
    assert session.words(b"RESTORE", b"key", b"0", sealed) == OK
    after = session.run(show)
    if b"hashtable" in encoding:
        assert elements(after) == elements(before)
    else:
        assert after == before
    assert session.run("TYPE key") == kind
    if name != "table without deadlines any more":
        assert session.run("OBJECT ENCODING key") == encoding
    assert session.run("PTTL key") == b":-1\r\n"
    assert dumped(session) == sealed or b"hashtable" in encoding


def test_nothing_is_dumped_as_nothing(session: Session) -> None:
    assert session.run("DUMP key") == b"$-1\r\n"
    session.resp3 = True
    assert session.run("DUMP key") == b"_\r\n"


def test_a_key_is_replaced_only_on_demand(session: Session) -> None:
    session.run("RPUSH key a b c")
    session.run("PEXPIRE key 1000")
    sealed = payload.seal(encode.string(b"hello"))
    assert session.words(b"RESTORE", b"key", b"0", sealed) == BUSY
    assert session.run("LLEN key") == b":3\r\n"
    assert session.words(b"RESTORE", b"key", b"0", sealed, b"replace") == OK
    assert session.run("GET key") == b"$5\r\nhello\r\n"
    assert session.run("PTTL key") == b":-1\r\n"
    session.now += 2000
    session.keyspace.expire_cycle(session.now, 100)
    assert session.run("GET key") == b"$5\r\nhello\r\n", "the deadline before it is forgotten"


def test_an_expired_key_is_no_obstacle(session: Session) -> None:
    session.run("SET key old PX 5")
    session.now += 10
    sealed = payload.seal(encode.string(b"new"))
    assert session.words(b"RESTORE", b"key", b"0", sealed) == OK
    assert session.run("GET key") == b"$3\r\nnew\r\n"


@pytest.mark.parametrize(
    ("time", "options", "left"),
    [
        (b"0", [], b":-1\r\n"),
        (b"0", [b"ABSTTL"], b":-1\r\n"),
        (b"700", [], b":700\r\n"),
        (b"%d" % (NOW + 900), [b"absttl"], b":900\r\n"),
        (b"1", [b"absttl"], b":-2\r\n"),
        (b"%d" % NOW, [b"ABSTTL"], b":-2\r\n"),
        # Beyond 64 bits, which Redis takes for the past.
        (b"9223372036854775807", [], b":-2\r\n"),
    ],
)
def test_times(session: Session, time: bytes, options: list[bytes], left: bytes) -> None:
    session.run("SET key old")
    sealed = payload.seal(encode.string(b"hello"))
    assert session.words(b"RESTORE", b"key", time, sealed, b"REPLACE", *options) == OK
    assert session.run("PTTL key") == left
    assert session.run("EXISTS key") == (b":0\r\n" if left == b":-2\r\n" else b":1\r\n")


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        ([b"-1"], b"-ERR Invalid TTL value, must be >= 0\r\n"),
        ([b"x"], b"-ERR value is not an integer or out of range\r\n"),
        ([b"0", b"foo"], b"-ERR syntax error\r\n"),
        ([b"0", b"IDLETIME"], b"-ERR syntax error\r\n"),
        ([b"0", b"IDLETIME", b"x"], b"-ERR value is not an integer or out of range\r\n"),
        ([b"0", b"IDLETIME", b"-1"], b"-ERR Invalid IDLETIME value, must be >= 0\r\n"),
        ([b"0", b"FREQ", b"256"], b"-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n"),
        ([b"0", b"FREQ", b"-1"], b"-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n"),
        ([b"0", b"FREQ", b"1", b"IDLETIME", b"1"], b"-ERR syntax error\r\n"),
        ([b"0", b"IDLETIME", b"1", b"FREQ", b"1"], b"-ERR syntax error\r\n"),
        ([b"0", b"IDLETIME", b"1", b"IDLETIME", b"2"], OK),
        ([b"0", b"FREQ", b"255"], OK),
    ],
)
def test_options(session: Session, words: list[bytes], reply: bytes) -> None:
    sealed = payload.seal(encode.string(b"hello"))
    assert session.words(b"RESTORE", b"key", words[0], sealed, *words[1:]) == reply


@pytest.mark.parametrize(
    ("sealed", "reply"),
    [
        (b"", WRONG_PAYLOAD),
        (b"junk", WRONG_PAYLOAD),
        (payload.seal(encode.string(b"hello"))[:-1], WRONG_PAYLOAD),
        (payload.seal(encode.string(b"hello")) + b"x", WRONG_PAYLOAD),
        (payload.seal(Encoded(b"\x00\x01a", 13)), WRONG_PAYLOAD),
        (payload.seal(Encoded(b"\x00\x05a")), BAD_FORMAT),
        (payload.seal(Encoded(b"\x01\x00")), BAD_FORMAT),
        (payload.seal(Encoded(b"\x04\x02\x01a\x01b\x01a\x01b")), BAD_FORMAT),
    ],
)
def test_a_payload_that_is_none_changes_nothing(
    session: Session, sealed: bytes, reply: bytes
) -> None:
    session.run("SET key old")
    before = session.store.snapshot()
    assert session.words(b"RESTORE", b"key", b"0", sealed, b"REPLACE") == reply
    assert session.store.snapshot() == before


def test_fields_that_have_expired_are_left_out(session: Session) -> None:
    session.run("HSET key a 1 b 2 c 3")
    session.run(f"HPEXPIREAT key {NOW + 100} FIELDS 1 a")
    session.run(f"HPEXPIREAT key {NOW + 200} FIELDS 2 b c")
    early = dumped(session)
    session.now += 150
    late = dumped(session)
    for sealed in (early, late):
        assert session.words(b"RESTORE", b"key", b"0", sealed, b"REPLACE") == OK
        assert session.run("HKEYS key") == b"*2\r\n$1\r\nb\r\n$1\r\nc\r\n"
    session.now += 150
    assert session.words(b"RESTORE", b"key", b"0", late, b"REPLACE") == OK
    assert session.run("EXISTS key") == b":0\r\n"


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=15)
@given(data=st.data())
def test_a_hostile_payload_is_a_value_or_refused(name: str, data: st.DataObject) -> None:
    """With a right checksum; whatever was restored can be shown, copied, measured and dumped."""
    session = small_session(is_spread=data.draw(st.booleans()))
    make(session, name)
    sealed = dumped(session)
    body, version = bytearray(sealed[:-10]), int.from_bytes(sealed[-10:-8], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    hostile = payload.seal(Encoded(bytes(body), version))
    reply = session.words(b"RESTORE", b"key", b"0", hostile, b"REPLACE")
    assert reply in (OK, BAD_FORMAT)
    questions = (CASES[name][1], "COPY key other", "MEMORY USAGE key SAMPLES 0", "DUMP other")
    assert INTERNAL_ERROR not in [session.run(question) for question in questions]


def test_a_cluster_may_restore_as_well(session: Session) -> None:
    sealed = payload.seal(encode.string(b"hello"))
    assert session.words(b"RESTORE-ASKING", b"key", b"0", sealed) == OK
    assert session.run("GET key") == b"$5\r\nhello\r\n"
