"""Arguments and replies that the geo commands share (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.sorted_sets.words import NOT_A_FLOAT, parse_score
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.geo.geohash import LATITUDE_MAX, LONGITUDE_MAX, Position
from kiwi_engine.resp.reply import array, bulk

# Metres of each unit, as in Redis.
_UNITS: Final = {b"m": 1.0, b"km": 1000.0, b"ft": 0.3048, b"mi": 1609.34}
_DISTANCE_SCALE: Final = 10_000  # distances have four decimals


def parse_unit(word: bytes) -> float:
    """The metres of a unit."""
    metres = _UNITS.get(word.lower())
    if metres is None:
        raise ReplyError("ERR unsupported unit provided. please use M, KM, FT, MI")
    return metres


def parse_position(longitude_text: bytes, latitude_text: bytes) -> Position:
    """A position that has a score."""
    longitude = parse_score(longitude_text, NOT_A_FLOAT)
    latitude = parse_score(latitude_text, NOT_A_FLOAT)
    if abs(longitude) > LONGITUDE_MAX or abs(latitude) > LATITUDE_MAX:
        raise ReplyError(f"ERR invalid longitude,latitude pair {longitude:.6f},{latitude:.6f}")
    return Position(longitude, latitude)


def parse_length(text: bytes, name: str) -> float:
    """A number for which the caller checks the sign."""
    return parse_score(text, f"ERR need numeric {name}")


def distance_reply(metres: float, unit_metres: float) -> bytes:
    """A distance in some unit: text with four decimals, in RESP3 as well."""
    whole, decimals = divmod(round(metres / unit_metres * _DISTANCE_SCALE), _DISTANCE_SCALE)
    return bulk(b"%d.%04d" % (whole, decimals))


def position_reply(resp3: bool, position: Position) -> bytes:
    """Longitude and latitude, with 17 decimals at most."""
    texts = map(_degrees_text, position)
    return array([b",%b\r\n" % text if resp3 else bulk(text) for text in texts])


def _degrees_text(degrees: float) -> bytes:
    text = (b"%.17f" % degrees).rstrip(b"0").rstrip(b".")
    return b"0" if text == b"-0" else text
