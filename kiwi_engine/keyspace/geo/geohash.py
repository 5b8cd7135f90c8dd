"""Positions on the earth as sorted-set scores, and the areas of a search (pure).

A score is a geohash of 52 bits: longitude and latitude, 26 bits each, alternate, so that what is
near has the same first bits and lies in one range of scores. Longitudes go from -180 to 180
degrees, latitudes from -85.05112878 to 85.05112878 (EPSG:3857). Distances are in metres on a
sphere. All figures are those of Redis 7.2 to the last bit; so every formula keeps its order of
operations.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

LONGITUDE_MAX: Final = 180.0
LATITUDE_MAX: Final = 85.05112878
STEP_MAX: Final = 26
EARTH_RADIUS_M: Final = 6372797.560856

_RADIANS: Final = math.pi / 180.0
_PARTS: Final = 1 << STEP_MAX
_DEGREES_WIDE: Final = LONGITUDE_MAX * 2
_DEGREES_HIGH: Final = LATITUDE_MAX * 2
_MERCATOR_MAX_M: Final = 20037726.37
_U32: Final = 2**32 - 1
_U64: Final = 2**64 - 1
_ALPHABET: Final = "0123456789bcdefghjkmnpqrstuvwxyz"
_STANDARD_LATITUDE_MAX: Final = 90.0
_TEXT_DIGITS: Final = 10
# For each byte, every second of its bits, the lowest one first or left out: a hexadecimal digit.
_EVEN_BITS: Final = bytes(
    b"0123456789abcdef"[byte & 1 | byte >> 1 & 2 | byte >> 2 & 4 | byte >> 3 & 8]
    for byte in range(256)
)
_ODD_BITS: Final = bytes(_EVEN_BITS[byte >> 1] for byte in range(256))


class Position(NamedTuple):
    """A place on the earth in degrees."""

    longitude: float
    latitude: float


class Shape(NamedTuple):
    """What a search looks for around a centre: a circle if `radius` is given, or else a box.

    Lengths are in metres, `width` and `height` those of the whole box.
    """

    centre: Position
    radius: float | None = None
    width: float = 0.0
    height: float = 0.0


class Cell(NamedTuple):
    """One square of the grid that divides both axes into `2**step` parts; its place on each."""

    x: int
    y: int
    step: int


class Bounds(NamedTuple):
    """A rectangle in degrees."""

    west: float
    south: float
    east: float
    north: float


def encode(position: Position) -> int:
    """The score of a position, which must lie within the limits."""
    return _interleave(_cell(position, STEP_MAX))


def decode(score: float) -> Position:
    """The position in the middle of what has this score.

    A score that is none of ours becomes what the conversion to 64 bits makes of it on x86-64.
    """
    # Written out instead of `_edges`: a search decodes every candidate (2 us instead of 4).
    bits = (int(score) if 0 <= score < 2**63 else _as_unsigned(score)).to_bytes(8, "big")
    x, y = int(bits.translate(_ODD_BITS), 16), int(bits.translate(_EVEN_BITS), 16)
    west, east = x / _PARTS * _DEGREES_WIDE, (x + 1 & _U32) / _PARTS * _DEGREES_WIDE
    south, north = y / _PARTS * _DEGREES_HIGH, (y + 1 & _U32) / _PARTS * _DEGREES_HIGH
    longitude = ((west - LONGITUDE_MAX) + (east - LONGITUDE_MAX)) / 2
    latitude = ((south - LATITUDE_MAX) + (north - LATITUDE_MAX)) / 2
    if abs(longitude) > LONGITUDE_MAX or abs(latitude) > LATITUDE_MAX:
        longitude = max(-LONGITUDE_MAX, min(LONGITUDE_MAX, longitude))
        latitude = max(-LATITUDE_MAX, min(LATITUDE_MAX, latitude))
    return Position(longitude, latitude)


def text_of(score: float) -> bytes:
    """The usual geohash string of the position with this score, with 11 digits, the last one 0."""
    bits = _interleave(_cell(decode(score), STEP_MAX, _STANDARD_LATITUDE_MAX))
    shifts = range(2 * STEP_MAX - 5, 0, -5)
    digits = [_ALPHABET[bits >> shift & 31] for shift in shifts]
    assert len(digits) == _TEXT_DIGITS
    return "".join((*digits, _ALPHABET[0])).encode()


def distance(one: Position, other: Position) -> float:
    """The great-circle distance of two positions in metres (haversine formula)."""
    v = math.sin((other.longitude * _RADIANS - one.longitude * _RADIANS) / 2)
    if v == 0.0:
        return _meridian_distance(one, other)
    angle, other_angle = one.latitude * _RADIANS, other.latitude * _RADIANS
    u = math.sin((other_angle - angle) / 2)
    a = u * u + math.cos(angle) * math.cos(other_angle) * v * v
    return 2.0 * EARTH_RADIUS_M * math.asin(math.sqrt(a))


def contains(shape: Shape, position: Position) -> float | None:
    """The distance of a position from the centre of `shape`, None if it lies outside."""
    centre = shape.centre
    if shape.radius is not None:
        metres = distance(centre, position)
        return metres if metres <= shape.radius else None
    if _meridian_distance(position, centre) > shape.height / 2:
        return None
    if distance(position, Position(centre.longitude, position.latitude)) > shape.width / 2:
        return None
    return distance(centre, position)


def areas(shape: Shape) -> list[tuple[int, int]]:
    """Ranges of scores [lowest, end) that hold everything inside of `shape`, and more.

    Their order is that in which Redis looks at the cells, and so that of unsorted results.
    """
    wanted = _bounding_box(shape)
    step = _estimated_step(shape)
    centre = _cell(shape.centre, step)
    if step > 1 and _reaches_beyond_neighbours(wanted, centre):
        step -= 1
        centre = _cell(shape.centre, step)
    ranges: list[tuple[int, int]] = []
    for east, north in _neighbours_within(wanted, centre):
        lowest = _interleave(_moved(centre, east, north))
        shift = 2 * (STEP_MAX - step)
        found = (lowest << shift, lowest + 1 << shift)
        # Of a few huge cells, both neighbours on an axis are the same.
        if len(ranges) < 2 or ranges[-1] != found:
            ranges.append(found)
    return ranges


def _meridian_distance(one: Position, other: Position) -> float:
    return EARTH_RADIUS_M * abs(other.latitude * _RADIANS - one.latitude * _RADIANS)


def _bounding_box(shape: Shape) -> Bounds:
    """Degrees that enclose `shape`, measured on its side towards the pole."""
    height = shape.height / 2 if shape.radius is None else shape.radius
    width = shape.width / 2 if shape.radius is None else shape.radius
    longitude, latitude = shape.centre
    rise = height / EARTH_RADIUS_M / _RADIANS
    edge = latitude - rise if latitude < 0 else latitude + rise
    # Without an end there is no cosine; the single step that is left then does not ask for it.
    narrowing = math.cos(edge * _RADIANS) if math.isfinite(edge) else math.nan
    reach = width / EARTH_RADIUS_M / narrowing / _RADIANS
    return Bounds(
        west=longitude - reach,
        south=latitude - rise,
        east=longitude + reach,
        north=latitude + rise,
    )


def _estimated_step(shape: Shape) -> int:
    """How fine the grid may be for nine cells to cover `shape`, as an estimate."""
    metres = shape.radius
    if metres is None:
        half_width, half_height = shape.width / 2, shape.height / 2
        metres = math.sqrt(half_width * half_width + half_height * half_height)
    if metres == 0:
        return STEP_MAX
    step = -1
    while metres < _MERCATOR_MAX_M:
        metres *= 2
        step += 1
    # Cells are narrower near the poles.
    latitude = abs(shape.centre.latitude)
    step -= (latitude > 66) + (latitude > 80)
    return max(1, min(STEP_MAX, step))


def _reaches_beyond_neighbours(wanted: Bounds, centre: Cell) -> bool:
    return (
        _bounds_of(_moved(centre, 0, 1)).north < wanted.north
        or _bounds_of(_moved(centre, 0, -1)).south > wanted.south
        or _bounds_of(_moved(centre, 1, 0)).east < wanted.east
        or _bounds_of(_moved(centre, -1, 0)).west > wanted.west
    )


def _neighbours_within(wanted: Bounds, centre: Cell) -> list[tuple[int, int]]:
    """The steps (east, north) to the nine cells, without those that `wanted` does not touch."""
    steps = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)]
    if centre.step == 1:
        return steps
    own = _bounds_of(centre)
    useless_east = {1} if own.east > wanted.east else set()
    useless_east |= {-1} if own.west < wanted.west else set()
    useless_north = {1} if own.north > wanted.north else set()
    useless_north |= {-1} if own.south < wanted.south else set()
    return [
        (east, north)
        for east, north in steps
        if east not in useless_east and north not in useless_north
    ]


def _moved(cell: Cell, east: int, north: int) -> Cell:
    """A neighbour; the grid has no edge, behind the last cell comes the first one."""
    mask = (1 << cell.step) - 1
    x = cell.x + east & mask if east else cell.x
    y = cell.y + north & mask if north else cell.y
    return Cell(x, y, cell.step)


def _cell(position: Position, step: int, latitude_max: float = LATITUDE_MAX) -> Cell:
    """The cell of a position. The easternmost and northernmost positions lie behind the grid."""
    x = (position.longitude + LONGITUDE_MAX) / (LONGITUDE_MAX * 2)
    y = (position.latitude + latitude_max) / (latitude_max * 2)
    return Cell(int(x * (1 << step)), int(y * (1 << step)), step)


def _bounds_of(cell: Cell) -> Bounds:
    west, east = _edges(cell.x, cell.step, LONGITUDE_MAX)
    south, north = _edges(cell.y, cell.step, LATITUDE_MAX)
    return Bounds(west, south, east, north)


def _edges(place: int, step: int, limit: float) -> tuple[float, float]:
    """Where the part number `place` of the axis from -limit to limit begins and ends."""
    parts, width = 1 << step, limit * 2
    return -limit + place / parts * width, -limit + (place + 1 & _U32) / parts * width


def _interleave(cell: Cell) -> int:
    """The bits of both places in turn, x first: binary digits, read as base 4, have gaps."""
    return int(f"{cell.x:b}", 4) << 1 | int(f"{cell.y:b}", 4)


def _as_unsigned(score: float) -> int:
    """A double converted to an unsigned 64-bit integer by x86-64 instructions."""
    if score >= 2.0**63:
        rest = score - 2.0**63
        return int(rest) | 2**63 if rest < 2.0**63 else 0
    return int(score) & _U64 if score >= -(2.0**63) else 2**63
