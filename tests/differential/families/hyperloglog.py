"""HyperLogLogs; GET shows that they are stored as Redis stores them (pure).

Broken ones are asked for one thing at a time: where PFADD fails in the middle of its elements,
Redis keeps those in front, and here a command that fails changes nothing.
"""

from __future__ import annotations

from random import Random
from typing import Final

from tests.differential.families.family import family


def element(rng: Random) -> bytes:
    """One of many, so that registers of all kinds are set."""
    return b"%x" % rng.randrange(20_000)


FAMILY: Final = family(
    "hyperloglog",
    """
    30 pfadd KEY {ELEMENT}8
    4 pfadd KEY {ELEMENT}60
    5 pfadd KEY
    15 pfcount {KEY}
    12 pfmerge KEY {KEY}
    4 pfmerge KEY
    10 get KEY
    5 strlen KEY
    10 pfdebug encoding KEY
    3 pfdebug todense KEY
    3 pfdebug decode KEY
    1 pfdebug getreg KEY
    5 pfdebug SHORT_TEXT KEY
    5 set KEY SHORT_TEXT
    5 set KEY BROKEN; pfadd $KEY ELEMENT; pfcount $KEY; pfcount $KEY none; get $KEY; del $KEY
    5 set KEY BROKEN; pfmerge $KEY $KEY; pfdebug decode $KEY; pfdebug getreg $KEY; del $KEY
    5 setrange KEY 4 BYTE; pfadd $KEY ELEMENT; pfcount $KEY; pfmerge $KEY $KEY; get $KEY; del $KEY
    5 append KEY BYTE; pfadd $KEY ELEMENT; pfcount $KEY; pfmerge $KEY $KEY; get $KEY; del $KEY
    5 del KEY
    5 expire KEY SECONDS
    5 ttl KEY
    5 rename KEY KEY
    5 copy KEY KEY replace
    5 rpush KEY SHORT_TEXT
    """,
    {
        "ELEMENT": element,
        "BROKEN": (b"HYLL", b"HYLL\x00\x00\x00\x00" + b"\x00" * 8, b"HYLL\x01" + b"\x00" * 40,
                   b"HYLX\x01" + b"\x00" * 11, b"HYLL\x02" + b"\x00" * 11 + b"\x7f\xff",
                   b"HYLL\x01\x00\x00\x00" + b"\x00" * 8 + b"\x7f\xff",
                   b"HYLL\x01\x00\x00\x00" + b"\x00" * 8 + b"\x7f\x00"),
        "BYTE": (b"\x00", b"\x01", b"\x02"),
    },
    closing="""
        get KEY
        pfcount KEY
        get KEY
    """,
)  # fmt: skip
