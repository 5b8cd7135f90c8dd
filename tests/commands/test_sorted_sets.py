"""Sorted sets through commands: what no comparison with another server shows."""

from __future__ import annotations

import pytest

from kiwi_engine.keyspace.sorted_sets import algebra as sorted_set_algebra
from kiwi_engine.keyspace.sorted_sets import spread as sorted_set_spread
from kiwi_engine.keyspace.spread import element_scan
from tests.commands.helpers import WRONG_TYPE, Session
from tests.keyspace.sorted_set_check import check_sorted_sets

LARGE = 400


def session(packed_max_entries: int = 1) -> Session:
    """Count nodes of three elements; all but the smallest sets are spread."""
    new = Session()
    new.keyspace.limits.packed_max_entries = packed_max_entries
    new.keyspace.ranks.node_entries_min = 3
    return new


def member(number: int) -> bytes:
    return b"m%03d" % number


def bulks(reply: bytes) -> list[bytes]:
    """The words of a flat array of strings."""
    return reply.split(b"\r\n")[2::2]


@pytest.fixture
def large() -> Session:
    """`z`: 400 members with the scores 0 to 399; `half`: every second with its number negated."""
    new = session()
    for number in range(LARGE):
        new.words(b"ZADD", b"z", b"%d" % number, member(number))
    for number in range(0, LARGE, 2):
        new.words(b"ZADD", b"half", b"-%d" % number, member(number))
    assert check_sorted_sets(new.store.snapshot()) == 2
    return new


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams are read two elements at a time."""
    monkeypatch.setattr(sorted_set_spread, "CHUNK", 2)
    monkeypatch.setattr(sorted_set_algebra, "CHUNK", 2)


def test_ranks_in_a_large_set(large: Session) -> None:
    for number in (0, 1, 57, 398, 399):
        assert large.words(b"ZRANK", b"z", member(number)) == b":%d\r\n" % number
        assert large.words(b"ZREVRANK", b"z", member(number)) == b":%d\r\n" % (399 - number)
    assert large.run("ZRANK z m007 WITHSCORE") == b"*2\r\n:7\r\n$1\r\n7\r\n"
    assert large.run("ZCOUNT z (10 20") == b":10\r\n"
    assert bulks(large.run("ZRANGE z 200 203")) == [member(n) for n in range(200, 204)]
    assert bulks(large.run("ZRANGE z 200 203 REV")) == [member(n) for n in (199, 198, 197, 196)]


@pytest.mark.usefixtures("small_chunks")
def test_long_ranges_are_read_in_chunks(large: Session) -> None:
    everything = [member(number) for number in range(LARGE)]
    assert bulks(large.run("ZRANGE z 0 -1")) == everything
    assert bulks(large.run("ZREVRANGE z 0 -1")) == everything[::-1]
    assert bulks(large.run("ZRANGEBYSCORE z (9 50 LIMIT 3 20")) == everything[13:33]
    assert bulks(large.run("ZREVRANGEBYSCORE z +inf -inf LIMIT 250 9")) == everything[149:140:-1]


@pytest.mark.usefixtures("small_chunks")
def test_stored_ranges_read_while_they_write(large: Session) -> None:
    assert large.run("ZRANGESTORE z z 100 299") == b":200\r\n"
    assert bulks(large.run("ZRANGE z 0 -1")) == [member(number) for number in range(100, 300)]
    assert large.run("ZRANGESTORE t z -inf +inf BYSCORE LIMIT 10 5") == b":5\r\n"
    assert bulks(large.run("ZRANGE t 0 -1")) == [member(number) for number in range(110, 115)]
    check_sorted_sets(large.store.snapshot())


@pytest.mark.usefixtures("small_chunks")
def test_algebra_of_large_sets(large: Session) -> None:
    numbers = range(0, LARGE, 3)
    large.words(b"SADD", b"thirds", *map(member, numbers))
    assert large.run("ZUNIONSTORE t 3 z half thirds WEIGHTS 1 2 3") == b":400\r\n"
    for number in (0, 1, 2, 3, 4, 396, 399):
        expected = number - 2 * number * (number % 2 == 0) + 3 * (number % 3 == 0)
        assert large.words(b"ZSCORE", b"t", member(number)) == b"$%d\r\n%d\r\n" % (
            len(str(expected)), expected,
        )  # fmt: skip
    assert large.run("ZINTERSTORE t 3 z half thirds AGGREGATE MAX") == b":67\r\n"
    assert large.run("ZINTERCARD 3 z half thirds LIMIT 50") == b":50\r\n"
    assert large.run("ZDIFFSTORE t 2 z half") == b":200\r\n"
    assert bulks(large.run("ZRANGE t 0 2")) == [b"m001", b"m003", b"m005"]
    assert bulks(large.run("ZDIFF 3 z half thirds"))[:3] == [b"m001", b"m005", b"m007"]
    check_sorted_sets(large.store.snapshot())


def test_removing_parts_of_a_large_set(large: Session) -> None:
    assert large.run("ZREMRANGEBYRANK z 10 19") == b":10\r\n"
    assert large.run("ZREMRANGEBYSCORE z 100 (200") == b":100\r\n"
    assert large.run("ZPOPMIN z 3").startswith(b"*6\r\n$4\r\nm000\r\n$1\r\n0\r\n")
    assert large.run("ZPOPMAX z").startswith(b"*2\r\n$4\r\nm399\r\n")
    assert large.run("ZCARD z") == b":286\r\n"
    check_sorted_sets(large.store.snapshot())
    assert large.run("ZRANK z m200") == b":87\r\n"
    assert large.run("ZREMRANGEBYRANK z 0 -1") == b":286\r\n"
    assert large.run("EXISTS z") == b":0\r\n"


def test_a_whole_scan_finds_every_member_once(large: Session) -> None:
    cursor, seen = b"0", []
    while True:
        reply = large.words(b"ZSCAN", b"z", cursor, b"COUNT", b"7", b"MATCH", b"m*")
        _, cursor, rest = reply[4:].split(b"\r\n", 2)
        seen += bulks(rest)[::2]
        if cursor == b"0":
            break
    assert sorted(seen) == [member(number) for number in range(LARGE)]


def test_random_members_of_a_large_set(large: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {member(number) for number in range(LARGE)}
    assert large.run("ZRANDMEMBER z")[4:-2] in known
    for walk_share in (1, 10_000):
        monkeypatch.setattr(element_scan, "WALK_SHARE", walk_share)
        sample = bulks(large.run("ZRANDMEMBER z 20"))
        assert len(set(sample)) == len(sample) == 20 and set(sample) <= known
        pairs = bulks(large.run("ZRANDMEMBER z -30 WITHSCORES"))
        assert all(
            name == member(int(score)) for name, score in zip(*[iter(pairs)] * 2, strict=True)
        )


def test_scores_in_resp3() -> None:
    both = session(128)
    both.run("ZADD z 1.5 a inf b")
    both.resp3 = True
    assert both.run("ZSCORE z a") == b",1.5\r\n"
    assert both.run("ZMSCORE z b x") == b"*2\r\n,inf\r\n_\r\n"
    assert both.run("ZINCRBY z 1 a") == b",2.5\r\n"
    assert both.run("ZRANGE z 0 0 WITHSCORES") == b"*1\r\n*2\r\n$1\r\na\r\n,2.5\r\n"
    assert both.run("ZRANK z x WITHSCORE") == b"_\r\n"
    assert both.run("ZPOPMAX z") == b"*2\r\n$1\r\nb\r\n,inf\r\n"
    assert both.run("ZPOPMAX z 1") == b"*1\r\n*2\r\n$1\r\na\r\n,2.5\r\n"


def test_a_negative_offset_selects_nothing() -> None:
    new = session()
    new.run("ZADD z 1 a 2 b 3 c")
    for line in ("ZRANGEBYSCORE z -inf inf", "ZRANGEBYLEX z - +", "ZRANGE z 3 1 BYSCORE REV"):
        assert new.run(f"{line} LIMIT -1 2") == b"*0\r\n"


def test_hexadecimal_scores_are_read() -> None:
    new = session()
    assert new.run("ZADD z 0x10 a") == b":1\r\n"
    assert new.run("ZRANGEBYSCORE z (0xf 0x1p4") == b"*1\r\n$1\r\na\r\n"


@pytest.mark.parametrize("packed_max_entries", [1, 128])
def test_a_command_that_fails_changes_nothing(packed_max_entries: int) -> None:
    new = session(packed_max_entries)
    new.run("ZADD z inf a 1 b 2 c")
    new.run("SET text 1")
    before = new.store.snapshot()
    for line in (
        "ZADD z 5 new x b", "ZADD z INCR -inf a", "ZINCRBY z -inf a", "ZADD z NX GT 1 b",
        "ZINTERSTORE z 2 z text", "ZUNIONSTORE z 2 z z WEIGHTS 1 x", "ZRANGESTORE z text 0 -1",
        "ZMPOP 2 text z MIN", "ZREMRANGEBYSCORE z x 1", "ZPOPMIN z -1",
    ):  # fmt: skip
        assert new.run(line).startswith(b"-"), line
        assert new.store.snapshot() == before, line
    assert new.run("ZADD text 1 a") == WRONG_TYPE


def test_nothing_to_do_writes_nothing() -> None:
    new = session()
    new.run("ZADD z 1 a 2 b 3 c")
    before = new.store.snapshot()
    for line in (
        "ZADD z 1 a", "ZADD z XX 1 x", "ZADD z NX 5 a", "ZADD z GT 0 a", "ZINCRBY z 0 a",
        "ZREM z x", "ZREMRANGEBYRANK z 5 9", "ZREMRANGEBYSCORE z 7 9", "ZPOPMIN z 0",
    ):  # fmt: skip
        new.run(line)
        assert new.store.snapshot() == before, line


def test_deadlines_stay_with_the_set() -> None:
    for packed_max_entries in (1, 128):
        new = session(packed_max_entries)
        new.run("ZADD z 1 a 2 b")
        new.run("PEXPIRE z 1000")
        new.run("ZADD z 3 c 4 d")
        new.run("ZPOPMIN z")
        assert new.run("PTTL z") == b":1000\r\n"
        new.run("ZRANGESTORE t z 0 -1")
        assert new.run("TTL t") == b":-1\r\n"
        new.now += 1001
        assert new.run("ZCARD z") == b":0\r\n"
        assert new.run("ZADD z 1 a") == b":1\r\n"
        assert new.run("ZRANGE z 0 -1") == b"*1\r\n$1\r\na\r\n"
