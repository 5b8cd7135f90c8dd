"""Sets: what the comparison with real servers has met, and default thresholds do not show."""

from __future__ import annotations

import pytest

from tests.commands.helpers import Session


@pytest.mark.parametrize("packed_max_entries", [1, 100])
def test_many_words_make_a_hash_table_even_if_nothing_is_new(packed_max_entries: int) -> None:
    """Redis looks at how many members a command names, before it looks at them."""
    session = Session()
    session.keyspace.limits.packed_max_entries = packed_max_entries
    session.keyspace.limits.set_max_listpack_entries = 3
    session.run("SADD a x y")
    assert session.run("OBJECT ENCODING a") == b"$8\r\nlistpack\r\n"
    assert session.run("SADD a x y x y") == b":0\r\n"
    assert session.run("OBJECT ENCODING a") == b"$9\r\nhashtable\r\n"


@pytest.mark.parametrize("packed_max_entries", [1, 100])
@pytest.mark.parametrize(
    ("members", "popped", "expected"),
    [
        ("a b c d e f", 5, b"$8\r\nlistpack\r\n"),
        ("a b c d e f", 4, b"$9\r\nhashtable\r\n"),
        ("aaaaa bbbbb ccccc ddddd eeeee fffff", 5, b"$9\r\nhashtable\r\n"),
        ("a b c d e f g h i j k l m n o p q r s t u v w x", 20, b"$9\r\nhashtable\r\n"),
    ],
)
def test_what_a_large_pop_leaves_is_a_new_set(
    members: str, popped: int, expected: bytes, packed_max_entries: int
) -> None:
    session = Session()
    limits = session.keyspace.limits
    limits.packed_max_entries = packed_max_entries
    limits.set_max_listpack_entries, limits.set_max_listpack_value = 3, 4
    session.run(f"SADD a {members}")
    session.run(f"SPOP a {popped}")
    assert session.run("OBJECT ENCODING a") == expected
