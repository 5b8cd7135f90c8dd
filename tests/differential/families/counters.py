"""Numbers in strings (pure)."""

from __future__ import annotations

from typing import Final

from tests.differential.families.family import family

FAMILY: Final = family(
    "counters",
    """
    set KEY INTEGER
    set KEY FLOAT
    get KEY
    pexpiretime KEY
    incr KEY
    decr KEY
    incrby KEY INTEGER
    decrby KEY INTEGER
    3 incrbyfloat KEY FLOAT
    append KEY DIGITS
    """,
    {"DIGITS": (b"0", b"5", b".5", b"e2")},
    closing="get KEY",
    references="redis",
)
