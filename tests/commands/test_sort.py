"""SORT beyond what the comparison with Redis shows: how it reads, and what it leaves behind."""

from __future__ import annotations

import pytest

from kiwi_engine.commands.generic import sort_patterns
from kiwi_engine.commands.generic.sort_patterns import Pattern, parse_pattern
from kiwi_engine.commands.key_positions import key_positions
from kiwi_engine.commands.registry import COMMANDS
from kiwi_engine.resp.reply import bulk_array
from tests.commands.helpers import WRONG_TYPE, Session

NOT_A_SCORE = b"-ERR One or more scores can't be converted into double\r\n"


@pytest.fixture(params=[128, 2], ids=["packed", "spread"])
def session(request: pytest.FixtureRequest) -> Session:
    found = Session()
    found.keyspace.limits.packed_max_entries = request.param
    return found


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        (b"w_*", Pattern(b"w_", b"")),
        (b"*", Pattern(b"", b"")),
        (b"a*b*c", Pattern(b"a", b"b*c")),
        (b"h_*->f", Pattern(b"h_", b"", b"f")),
        (b"h_*x->f->g", Pattern(b"h_", b"x", b"f->g")),
        (b"h->*", Pattern(b"h->", b"")),
        (b"h_*->", Pattern(b"h_", b"->")),
        (b"h_*->\0f", Pattern(b"h_", b"->\0f")),
        (b"h_*->f\0g", Pattern(b"h_", b"", b"f\0g")),
        (b"h_*\0->f", Pattern(b"h_", b"\0->f")),
        (b"h_\0*", None),
        (b"w_1", None),
        (b"", None),
    ],
)
def test_parts_of_a_pattern(pattern: bytes, parts: Pattern | None) -> None:
    assert parse_pattern(pattern) == parts


def test_elements_of_each_type_are_sorted(session: Session) -> None:
    session.run("rpush l 3 1 2")
    session.run("sadd s 3 1 2")
    session.run("zadd z 5 3 6 1 7 2")
    for key in "lsz":
        assert session.run(f"sort {key}") == bulk_array([b"1", b"2", b"3"])
        assert session.run(f"sort {key} desc limit 0 2") == bulk_array([b"3", b"2"])
    assert session.run("sort z by nosort desc limit 0 2") == bulk_array([b"2", b"1"])
    assert session.run("sort l by nosort limit 1 2") == bulk_array([b"1", b"2"])


def test_weights_and_values_come_from_strings_and_hashes(session: Session) -> None:
    session.run("rpush l a b c")
    session.run("mset w_a 3 w_b 2 w_c 1")
    session.run("hset h_a f x g y h z")
    assert session.run("sort l by w_*") == bulk_array([b"c", b"b", b"a"])
    assert session.run("sort l by w_* get h_*->f get #") == (
        b"*6\r\n$-1\r\n$1\r\nc\r\n$-1\r\n$1\r\nb\r\n$1\r\nx\r\n$1\r\na\r\n"
    )


def test_many_values_are_looked_up_part_by_part(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sort_patterns, "LOOKED_UP_AT_ONCE", 2)
    session.run("rpush l 1 2 3 4 5")
    session.run("mset w_1 50 w_2 40 w_3 30 w_4 20 w_5 10")
    assert session.run("sort l by w_* get w_*") == bulk_array([b"10", b"20", b"30", b"40", b"50"])


def test_a_field_that_has_expired_is_none(session: Session) -> None:
    session.run("rpush l a")
    session.run("hset h_a f 1 g 2")
    session.run("hpexpire h_a 100 fields 1 f")
    assert session.run("sort l by nosort get h_*->f get h_*->g") == bulk_array([b"1", b"2"])
    session.now += 101
    assert session.run("sort l by nosort get h_*->f get h_*->g") == b"*2\r\n$-1\r\n$1\r\n2\r\n"


def test_texts_end_at_a_nul_unless_they_are_stored(session: Session) -> None:
    """As `strcoll` and `memcmp` have it."""
    session.words(b"rpush", b"l", b"a\0z", b"a\0b", b"a")
    shown = bulk_array([b"a\0z", b"a\0b", b"a"])
    assert session.run("sort l alpha") == shown
    session.run("sort l alpha store d")
    assert session.run("lrange d 0 -1") == bulk_array([b"a", b"a\0b", b"a\0z"])


def test_a_store_replaces_whatever_was_there(session: Session) -> None:
    session.run("rpush l 3 1 2")
    for making in ("set d text ex 100", "sadd d 1 2 3", "rpush d 9 8 7"):
        session.run("del d")
        session.run(making)
        assert session.run("sort l store d") == b":3\r\n"
        assert session.run("lrange d 0 -1") == bulk_array([b"1", b"2", b"3"])
        assert session.run("ttl d") == b":-1\r\n"


def test_a_list_can_be_sorted_in_its_place(session: Session) -> None:
    session.run("rpush l 3 1 2")
    session.run("expire l 100")
    assert session.run("sort l store l") == b":3\r\n"
    assert session.run("lrange l 0 -1") == bulk_array([b"1", b"2", b"3"])
    assert session.run("ttl l") == b":-1\r\n"


def test_an_empty_result_removes_the_destination(session: Session) -> None:
    session.run("rpush l 3 1 2")
    session.run("set d text")
    assert session.run("sort l limit 5 1 store d") == b":0\r\n"
    assert session.run("exists d") == b":0\r\n"
    session.run("rpush d 1 2 3")
    assert session.run("sort nokey store d") == b":0\r\n"
    assert session.run("exists d") == b":0\r\n"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("sort l store d", NOT_A_SCORE),
        ("sort l by w_* store d", NOT_A_SCORE),
        ("sort l alpha store d foo", b"-ERR syntax error\r\n"),
        ("sort l alpha store d limit 1", b"-ERR syntax error\r\n"),
        ("sort l limit 0 x store d", b"-ERR value is not an integer or out of range\r\n"),
        ("sort w_x store d", WRONG_TYPE),
    ],
)
def test_a_sort_that_fails_changes_nothing(session: Session, line: str, error: bytes) -> None:
    session.run("rpush l 1 x")
    session.run("mset w_x y d text")
    before = session.store.snapshot()
    assert session.run(line) == error
    assert session.store.snapshot() == before


def test_a_value_of_another_type_is_no_weight(session: Session) -> None:
    session.run("rpush l a b")
    session.run("rpush w_a 5")
    session.run("set w_b -1")
    assert session.run("sort l by w_*") == bulk_array([b"b", b"a"])
    assert session.run("sort l alpha get w_*") == b"*2\r\n$-1\r\n$2\r\n-1\r\n"


@pytest.mark.parametrize(
    ("line", "places"),
    [
        ("sort a store b", [3]),
        ("sort a STORE b store c", [5]),
        ("sort a by store store c", [5]),
        ("sort a get store limit store 2 desc", []),
        ("sort a store", []),
        ("sort a", []),
    ],
)
def test_where_the_destination_stands(line: str, places: list[int]) -> None:
    words = line.encode().split()
    found = [key_positions(spec, words) for spec in COMMANDS["sort"].keys]
    assert [list(one) for one in found] == [[1], [], places]
