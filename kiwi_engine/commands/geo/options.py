"""What the geo commands that search are asked for (pure).

They share one grammar of options, of which each takes a part; see `Dialect`. The order in which
things are read decides which of several errors is told, as in Redis.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from kiwi_engine.commands.arguments import integer, syntax_error
from kiwi_engine.commands.geo.words import parse_length, parse_position, parse_unit
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.geo.geohash import Position, Shape, decode
from kiwi_engine.keyspace.sorted_sets.opening import AnySortedSet


class Dialect(Enum):
    """Which options a command takes beside the common ones."""

    RADIUS = 1  # GEORADIUS and GEORADIUSBYMEMBER: STORE and STOREDIST, each with a key
    RADIUS_READ = 2
    SEARCH = 3  # GEOSEARCH: where from and which shape
    SEARCH_STORE = 4  # GEOSEARCHSTORE: the same, and STOREDIST


class Query(msgspec.Struct):
    """What is searched for, as far as it was read. `elements` is None where nothing lives.

    The centre stays unset if it is that of a member and nothing lives there.
    """

    elements: AnySortedSet | None
    has_member: bool = False
    has_position: bool = False
    centre: Position = Position(0.0, 0.0)
    radius: float | None = None
    box: tuple[float, float] | None = None
    unit_metres: float = 1.0
    count: int = 0
    takes_any: bool = False
    is_sorted: bool = False
    is_descending: bool = False
    with_distance: bool = False
    with_hash: bool = False
    with_position: bool = False
    store_key: bytes | None = None
    stores_distance: bool = False

    @property
    def detail_count(self) -> int:
        """How many things a reply tells of each member."""
        return self.with_distance + self.with_hash + self.with_position

    @property
    def shape(self) -> Shape:
        """Where to search, in metres."""
        unit = self.unit_metres
        if self.radius is not None:
            return Shape(self.centre, self.radius * unit)
        width, height = self.box or (0.0, 0.0)
        return Shape(self.centre, None, width * unit, height * unit)


def read_options(query: Query, dialect: Dialect, words: list[bytes]) -> None:
    """Each option is read by a function that gets its words, beginning with its name."""
    options = _OPTIONS[dialect]
    at = 0
    while at < len(words):
        option = options.get(words[at].lower())
        if option is None or at + option.argument_count >= len(words):
            syntax_error()
        end = at + 1 + option.argument_count
        option.read(query, words[at:end])
        at = end


def _read_order(query: Query, words: list[bytes]) -> None:
    query.is_sorted = True
    query.is_descending = words[0].lower() == b"desc"


def _read_count(query: Query, words: list[bytes]) -> None:
    query.count = integer(words[1])
    if query.count <= 0:
        raise ReplyError("ERR COUNT must be > 0")


def _read_any(query: Query, _words: list[bytes]) -> None:
    query.takes_any = True


def _read_with(query: Query, words: list[bytes]) -> None:
    name = words[0].lower()
    query.with_distance = query.with_distance or name == b"withdist"
    query.with_hash = query.with_hash or name == b"withhash"
    query.with_position = query.with_position or name == b"withcoord"


def _read_store(query: Query, words: list[bytes]) -> None:
    query.store_key = words[1]
    query.stores_distance = words[0].lower() == b"storedist"


def _read_store_distance(query: Query, _words: list[bytes]) -> None:
    query.stores_distance = True


def _read_from_member(query: Query, words: list[bytes]) -> None:
    if query.has_position:
        syntax_error()
    query.has_member = True
    read_member(query, words[1])


def read_member(query: Query, member: bytes) -> None:
    """Take the position of a member for the centre."""
    if query.elements is None:
        return
    score = query.elements.score(member)
    if score is None:
        raise ReplyError("ERR could not decode requested zset member")
    query.centre = decode(score)


def _read_from_position(query: Query, words: list[bytes]) -> None:
    if query.has_member:
        syntax_error()
    query.centre = parse_position(words[1], words[2])
    query.has_position = True


def _read_by_radius(query: Query, words: list[bytes]) -> None:
    if query.box is not None:
        syntax_error()
    read_radius(query, words[1], words[2])


def read_radius(query: Query, length: bytes, unit: bytes) -> None:
    """Search in a circle."""
    radius = parse_length(length, "radius")
    if radius < 0:
        raise ReplyError("ERR radius cannot be negative")
    query.unit_metres = parse_unit(unit)
    query.radius = radius


def _read_by_box(query: Query, words: list[bytes]) -> None:
    if query.radius is not None:
        syntax_error()
    width, height = parse_length(words[1], "width"), parse_length(words[2], "height")
    if width < 0 or height < 0:
        raise ReplyError("ERR height or width cannot be negative")
    query.unit_metres = parse_unit(words[3])
    query.box = width, height


class Option(NamedTuple):
    """How an option is read, and how many words follow its name."""

    argument_count: int
    read: Callable[[Query, list[bytes]], None]


_COMMON: Final = {
    b"withdist": Option(0, _read_with),
    b"withhash": Option(0, _read_with),
    b"withcoord": Option(0, _read_with),
    b"any": Option(0, _read_any),
    b"asc": Option(0, _read_order),
    b"desc": Option(0, _read_order),
    b"count": Option(1, _read_count),
}
_SHAPES: Final = {
    b"frommember": Option(1, _read_from_member),
    b"fromlonlat": Option(2, _read_from_position),
    b"byradius": Option(2, _read_by_radius),
    b"bybox": Option(3, _read_by_box),
}
_STORES: Final = {b"store": Option(1, _read_store), b"storedist": Option(1, _read_store)}
_OPTIONS: Final[dict[Dialect, dict[bytes, Option]]] = {
    Dialect.RADIUS: {**_COMMON, **_STORES},
    Dialect.RADIUS_READ: _COMMON,
    Dialect.SEARCH: {**_COMMON, **_SHAPES},
    Dialect.SEARCH_STORE: {
        **_COMMON,
        **_SHAPES,
        b"storedist": Option(0, _read_store_distance),
    },
}


def check_result(query: Query, storing: str) -> None:
    """What is stored cannot be told as well."""
    if query.store_key is not None and query.detail_count:
        raise ReplyError(
            f"ERR {storing} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
        )


def check_shape(query: Query, name: bytes) -> None:
    """A centre and a shape must be given to the command that was called by `name`."""
    shown = name.decode("utf-8", "surrogateescape")
    if not (query.has_member or query.has_position):
        raise ReplyError(
            f"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {shown}"
        )
    if query.radius is None and query.box is None:
        raise ReplyError(f"ERR exactly one of BYRADIUS and BYBOX can be specified for {shown}")
