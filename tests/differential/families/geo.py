"""Places on earth (pure)."""

from __future__ import annotations

from random import Random
from typing import Final

from tests.differential.families.family import ALL_TYPES, family

_SEARCH: Final = """
    (frommember MEMBER | fromlonlat LONGITUDE LATITUDE)
    (byradius RADIUS UNIT | bybox RADIUS RADIUS UNIT)
    [asc | desc] [count COUNT [any]]
""".replace("\n", " ")
_RADIUS: Final = "[asc | desc] [count COUNT [any]]"
_WITH: Final = "[withcoord] [withdist] [withhash]"


def longitude(rng: Random) -> bytes:
    """Anywhere, mostly near each other, seldom outside of the world."""
    return _degrees(rng, 180)


def latitude(rng: Random) -> bytes:
    return _degrees(rng, 85)


def _degrees(rng: Random, most: float) -> bytes:
    match rng.randrange(10):
        case 0:
            return rng.choice((b"181", b"-181", b"86", b"x", b"", b"nan", b"180", b"-85.05112878"))
        case 1 | 2:
            return b"%.6f" % rng.uniform(-most, most)
        case _:
            return b"%.4f" % rng.uniform(13, 16)


FAMILY: Final = family(
    "geo",
    f"""
    8 geoadd KEY {{LONGITUDE LATITUDE MEMBER}}4
    2 geoadd KEY [nx | xx] [ch] {{LONGITUDE LATITUDE MEMBER}}2
    3 geodist KEY MEMBER MEMBER [UNIT]
    2 geohash KEY {{MEMBER}}
    2 geopos KEY {{MEMBER}}
    7 geosearch KEY {_SEARCH} {_WITH}
    geosearch KEY {{(frommember MEMBER | byradius RADIUS UNIT | count COUNT | any | asc | junk)}}4
    3 geosearchstore KEY KEY {_SEARCH} [storedist]
    2 georadius KEY LONGITUDE LATITUDE RADIUS UNIT {_RADIUS} {_WITH}
    georadius KEY LONGITUDE LATITUDE RADIUS UNIT {_RADIUS} (store | storedist) KEY
    georadius_ro KEY LONGITUDE LATITUDE RADIUS UNIT {_RADIUS} {_WITH}
    2 georadiusbymember KEY MEMBER RADIUS UNIT {_RADIUS} {_WITH}
    georadiusbymember KEY MEMBER RADIUS UNIT {_RADIUS} (store | storedist) KEY
    georadiusbymember_ro KEY MEMBER RADIUS UNIT {_RADIUS} {_WITH}
    zrem KEY {{MEMBER}}
    zadd KEY SCORE MEMBER
    """
    + ALL_TYPES,
    {
        "LONGITUDE": longitude,
        "LATITUDE": latitude,
        "NEAR": (b"13.361389", b"15.087269", b"14.5", b"13.583333", b"15", b"14.0001"),
        "MEMBER": (b"x", b"y", b"z", b"a", b"b", b"Palermo", b"Catania", b"a text that is long"),
        "RADIUS": (b"0", b"1", b"10", b"100", b"200", b"500", b"5000", b"20000", b"-1", b"x"),
        "UNIT": (b"km", b"km", b"m", b"ft", b"mi", b"KM", b"x"),
        "SCORE": (b"1", b"3479099956230698", b"-5", b"1e300"),
    },
    opening="""
        geoadd KEY {NEAR NEAR MEMBER}8
    """,
    closing="""
        zrange KEY 0 -1 WITHSCORES
    """,
)
