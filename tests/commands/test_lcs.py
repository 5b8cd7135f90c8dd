"""LCS against the textbook table, and its limits."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.commands.strings.lcs import find_matches, step_rows
from tests.commands.helpers import WRONG_TYPE, Session

letters = st.text("abc", max_size=30).map(str.encode)


def table_length(a: bytes, b: bytes) -> int:
    above = [0] * (len(b) + 1)
    for byte in a:
        row = [0]
        for j, other in enumerate(b):
            row.append(above[j] + 1 if byte == other else max(above[j + 1], row[j]))
        above = row
    return above[-1]


@given(letters, letters)
def test_length_is_that_of_the_table(a: bytes, b: bytes) -> None:
    assert len(b) - step_rows(a, b)[-1].bit_count() == table_length(a, b)


@given(letters, letters)
def test_matches_are_a_common_subsequence_of_that_length(a: bytes, b: bytes) -> None:
    matches = list(find_matches(a, b))[::-1]
    for match in matches:
        in_a = a[match.first_a : match.last_a + 1]
        assert in_a == b[match.first_b : match.last_b + 1]
        assert len(in_a) == match.length > 0
    for earlier, later in pairwise(matches):
        assert earlier.last_a < later.first_a
        assert earlier.last_b < later.first_b
    assert sum(match.length for match in matches) == table_length(a, b)


def test_the_table_that_redis_would_need_is_limited() -> None:
    session = Session()
    session.run("mset a abc b abcd")
    session.keyspace.value_bytes_max = 4 * 5 * 4
    assert session.run("lcs a b") == b"$3\r\nabc\r\n"
    session.keyspace.value_bytes_max -= 1
    assert b"transient memory for LCS exceeds proto-max-bulk-len" in session.run("lcs a b len")


def test_large_strings_are_quick() -> None:
    """A table of 9 million cells; Python would need seconds for one cell at a time."""
    session = Session()
    session.words(b"mset", b"a", b"abcdefg" * 430, b"b", b"gfedcba" * 430)
    assert session.run("lcs a b len") == b":859\r\n"


def test_only_strings_have_subsequences() -> None:
    session = Session()
    session.put_other_kind(b"a")
    reply = session.run("lcs a b")
    assert reply == b"-ERR The specified keys must contain string values\r\n" != WRONG_TYPE
