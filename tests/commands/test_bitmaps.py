"""Bit commands: what 7.0 and Valkey do otherwise than Redis 7.2, limits, pages, refusals."""

from __future__ import annotations

import pytest

from kiwi_engine.errors import CorruptionError
from kiwi_engine.keyspace.encoding import is_spread
from kiwi_engine.keyspace.spread import versions
from tests.commands.helpers import NOW, WRONG_TYPE, Session

NOT_AN_INTEGER = b"-ERR value is not an integer or out of range\r\n"
SYNTAX = b"-ERR syntax error\r\n"
OFFSET = b"-ERR bit offset is not an integer or out of range\r\n"


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def paging(session: Session) -> Session:
    """Strings of more than 12 bytes are paged when a part of them is changed."""
    session.keyspace.limits.paged_min_bytes = 12
    return session


def is_paged(session: Session, key: bytes) -> bool:
    value = session.keyspace.database(0).read_value(key, session.now)
    assert value is not None
    return is_spread(value)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("bitcount nokey x 1", NOT_AN_INTEGER),
        ("bitcount nokey 1 2 foo", SYNTAX),
        ("bitcount nokey 1", SYNTAX),
        ("bitcount nokey x", SYNTAX),
        ("bitpos nokey 1 x", NOT_AN_INTEGER),
        ("bitpos nokey 1 0 0 foo", SYNTAX),
        ("bitpos nokey 2", b"-ERR The bit argument must be 1 or 0.\r\n"),
    ],
)
def test_arguments_are_read_before_the_key(session: Session, line: str, reply: bytes) -> None:
    assert session.run(line) == reply
    session.put_other_kind(b"nokey")
    assert session.run(line) == reply


@pytest.mark.parametrize(
    "line",
    [
        "setbit k 0 1", "getbit k 0", "bitcount k", "bitpos k 1", "bitop not d k", "bitop or d a k",
        "bitfield k set u8 0 1", "bitfield k get u8 0", "bitfield_ro k get u8 0", "append k x",
        "setrange k 0 x", "getrange k 0 0", "strlen k", "pfadd k x", "pfcount k", "pfcount a k",
        "pfmerge k a", "pfmerge a k", "pfdebug encoding k",
    ],
)  # fmt: skip
def test_other_types_are_refused_and_nothing_changes(session: Session, line: str) -> None:
    session.put_other_kind(b"k")
    session.run("pfadd a 1")
    before = session.store.snapshot()
    assert session.run(line) == WRONG_TYPE
    assert session.store.snapshot() == before


def test_offsets_are_bounded_by_the_largest_value(session: Session) -> None:
    session.keyspace.value_bytes_max = 16
    assert session.run("setbit a 127 1") == b":0\r\n"
    for line in (
        "setbit a 128 1",
        "getbit a 128",
        "bitfield a get u8 128",
        "bitfield a get u8 #16",
    ):
        assert session.run(line) == OFFSET
    too_long = b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"
    before = session.store.snapshot()
    assert session.run("append a x") == too_long
    assert session.run("setrange a 16 x") == too_long
    assert session.store.snapshot() == before


@pytest.mark.parametrize(
    "line",
    [
        "bitfield a set u8 0 1 get u64 0", "bitfield a set u8 0 1 overflow junk",
        "bitfield a set u8 0 1 set u8 -1 1", "bitfield a set u8 0 1 set u8 8 x",
        "bitfield a set u8 0 1 get u8", "setbit a 0 2", "setbit a 0 x",
    ],
)  # fmt: skip
def test_a_mistake_anywhere_changes_nothing(paging: Session, line: str) -> None:
    assert paging.run(line).startswith(b"-")
    assert paging.store.snapshot() == {}


def test_a_bit_that_is_set_already_is_not_written(session: Session) -> None:
    session.keyspace.limits.paged_min_bytes = 4
    session.run("set a 0123456789")
    before = session.store.snapshot()
    assert session.run("setbit a 3 1") == b":1\r\n"
    assert session.run("setbit a 0 0") == b":0\r\n"
    assert session.store.snapshot() == before, "nor is the string put into pages for it"


@pytest.mark.parametrize(
    "line", ["setbit a 100 1", "setrange a 12 x", "append a 0123456789", "bitfield a set u8 100 1"]
)
def test_partial_changes_of_long_strings_make_pages(paging: Session, line: str) -> None:
    paging.run("set a 0123456789 px 1000")
    paging.run("setrange a 11 -")
    assert not is_paged(paging, b"a")
    paging.run(line)
    assert is_paged(paging, b"a")
    assert paging.run("pttl a") == b":1000\r\n"
    assert paging.run("type a") == b"+string\r\n"
    assert paging.run("getrange a 0 9") == b"$10\r\n0123456789\r\n"


@pytest.mark.parametrize(
    "line",
    ["set a 1", "incr a", "getset a 1", "setex a 10 1", "mset a 1", "bitop not a b", "del a"],
)
def test_commands_on_whole_strings_leave_no_pages_behind(paging: Session, line: str) -> None:
    paging.run("set b xyz")
    paging.run("setrange a 0 1000000000000000000")
    paging.run("setrange b 100 x")
    paging.run("set b xyz")
    assert is_paged(paging, b"a")
    paging.run(line)
    for _ in range(100):
        paging.keyspace.reclaimer.work(100)
    keys = paging.store.snapshot()
    assert not [key for key in keys if key[:1] == versions.PAGES]


def test_a_paged_string_expires(paging: Session) -> None:
    paging.run("setrange a 100 x")
    paging.run("pexpire a 10")
    paging.now = NOW + 11
    assert paging.run("getbit a 3") == b":0\r\n"
    assert paging.run("strlen a") == b":0\r\n"
    assert paging.run("append a y") == b":1\r\n"
    assert paging.run("ttl a") == b":-1\r\n"


@pytest.mark.parametrize("operation", ["and", "or", "xor", "not"])
@pytest.mark.parametrize("is_in_place", [False, True])
def test_long_results_of_bitop(session: Session, operation: str, is_in_place: bool) -> None:
    """Against the same strings combined in one piece, some chunks and pages long."""
    size = 3000
    one, other = b"\x5a\x00\xff" * (size // 3), b"\x0f" * 7 + bytes(900) + b"\xf0" * 800
    sources = [b"a"] if operation == "not" else [b"a", b"b", b"nokey"]
    target = b"a" if is_in_place else b"d"
    replies = []
    for paged_min_bytes in (10**6, 12):
        session.keyspace.limits.paged_min_bytes = paged_min_bytes
        session.words(b"set", b"a", one)
        session.words(b"set", b"b", other)
        session.words(b"setbit", b"b", b"9999", b"1")
        session.words(b"set", b"d", b"old", b"ex", b"100")
        reply = session.words(b"bitop", operation.encode(), target, *sources)
        assert reply == b":%d\r\n" % size
        assert session.words(b"ttl", target) == b":-1\r\n"
        assert is_paged(session, target) == (paged_min_bytes == 12)
        replies.append(session.words(b"get", target))
    assert replies[0] == replies[1]


@pytest.mark.parametrize("operation", ["and", "or", "xor", "not"])
def test_bitop_of_strings_with_pages_of_other_sizes(session: Session, operation: str) -> None:
    """Most of them are not stored at all, and the result has other pages again."""
    sources = [b"a"] if operation == "not" else [b"a", b"b"]
    for key, paged_min_bytes, offsets in ((b"a", 12, (7, 9000)), (b"b", 28, (9000, 9001, 12_345))):
        session.keyspace.limits.paged_min_bytes = paged_min_bytes
        for offset in offsets:
            session.words(b"setbit", key, b"%d" % offset, b"1")
    replies = []
    for paged_min_bytes in (20, 10**6):
        session.keyspace.limits.paged_min_bytes = paged_min_bytes
        session.words(b"bitop", operation.encode(), b"d", *sources)
        assert is_paged(session, b"d") == (paged_min_bytes == 20)
        replies.append(session.words(b"get", b"d"))
    assert replies[0] == replies[1]


def test_bitop_refuses_before_it_writes(paging: Session) -> None:
    paging.run("setrange a 100 x")
    paging.put_other_kind(b"k")
    before = paging.store.snapshot()
    assert paging.run("bitop or d a k") == WRONG_TYPE
    assert paging.store.snapshot() == before


@pytest.mark.parametrize(
    ("line", "damaged_page"),
    [
        ("setrange a 1 xxxxxxxxx", 3),
        ("bitfield a set u8 0 1 set u8 56 1", 2),
        ("append a 0123456789", 5),
        ("bitop not d a", 5),
    ],
)
def test_a_damaged_page_leaves_nothing_half_done(
    paging: Session, monkeypatch: pytest.MonkeyPatch, line: str, damaged_page: int
) -> None:
    paging.run("setrange a 0 01234567890123456")
    before = paging.store.snapshot()
    pages = sorted(key for key in before if key[:1] == versions.PAGES)
    assert len(pages) == 6
    get = paging.store.get

    def damaged_get(key: bytes) -> bytes | None:
        if key == pages[damaged_page]:
            raise CorruptionError("index", 0, "damaged by the test")
        return get(key)

    monkeypatch.setattr(paging.store, "get", damaged_get)
    assert paging.run(line).startswith(b"-ERR corruption: ")
    assert paging.store.snapshot() == before
