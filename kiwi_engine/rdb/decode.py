"""From an RDB payload to a plain value (pure).

Reads every type that Redis 1.0 to 7.4 and Valkey 7.2 to 9.1 write, but no module's. `PayloadError`
is the only error, whatever the bytes are: a payload comes from a client.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final

from kiwi_engine.errors import PayloadError
from kiwi_engine.rdb import kinds, listpack, ziplist
from kiwi_engine.rdb.decode_stream import decode_stream
from kiwi_engine.rdb.values import (
    RdbHash,
    RdbList,
    RdbSet,
    RdbSortedSet,
    RdbString,
    RdbValue,
)
from kiwi_engine.rdb.wire import Reader, parse_double

_INTSET_WIDTHS: Final = (2, 4, 8)
_NO_DEADLINE: Final = -1
_TIME_MAX: Final = 2**63 - 1


def decode(reader: Reader, version: int) -> RdbValue:
    """The value that begins at `reader`, written by an RDB of `version`; with its type byte."""
    kind = reader.byte()
    decoder = _DECODERS.get(kind)
    if kind >= kinds.HASH_VALKEY and (kind == kinds.HASH_VALKEY) != (
        version >= kinds.VERSION_VALKEY
    ):
        decoder = None
    if decoder is None:
        raise PayloadError(f"type {kind} of version {version} is not known")
    return decoder(reader)


def _string(reader: Reader) -> RdbString:
    return RdbString(reader.string())


# Lists


def _list(reader: Reader) -> RdbList:
    return RdbList([reader.string() for _ in range(reader.count())])


def _list_ziplist(reader: Reader) -> RdbList:
    return RdbList(_not_empty(ziplist.unpack(reader.string())))


def _list_quicklist_ziplists(reader: Reader) -> RdbList:
    elements: list[bytes] = []
    for _ in range(reader.count()):
        elements += ziplist.unpack(reader.string())
    return RdbList(_not_empty(elements))


def _list_quicklist(reader: Reader) -> RdbList:
    elements: list[bytes] = []
    for _ in range(reader.count()):
        container = reader.length()
        if container == kinds.NODE_PLAIN:
            elements.append(reader.string())
        elif container == kinds.NODE_PACKED:
            elements += listpack.unpack(reader.string())
        else:
            raise PayloadError(f"unknown container {container} in a list")
    return RdbList(_not_empty(elements))


def _not_empty(elements: list[bytes]) -> list[bytes]:
    if not elements:
        raise PayloadError("a collection is empty")
    return elements


# Sets


def _set(reader: Reader) -> RdbSet:
    return _distinct([reader.string() for _ in range(reader.count())])


def _set_listpack(reader: Reader) -> RdbSet:
    members = _not_empty(listpack.unpack(reader.string()))
    return _distinct(members)._replace(is_listpack=True)


def _set_intset(reader: Reader) -> RdbSet:
    data = reader.string()
    width, count = (int.from_bytes(data[at : at + 4], "little") for at in (0, 4))
    if width not in _INTSET_WIDTHS or count == 0 or len(data) != 8 + count * width:
        raise PayloadError("an intset contradicts its header")
    numbers = [
        int.from_bytes(data[at : at + width], "little", signed=True)
        for at in range(8, len(data), width)
    ]
    if any(first >= second for first, second in pairwise(numbers)):
        raise PayloadError("an intset is not in order")
    return RdbSet([b"%d" % number for number in numbers])


def _distinct(members: list[bytes]) -> RdbSet:
    if len(set(members)) != len(members):
        raise PayloadError("a member stands twice in a set")
    return RdbSet(members)


# Sorted sets


def _sorted_set(reader: Reader) -> RdbSortedSet:
    return _scores((reader.string(), reader.double()) for _ in range(reader.count()))


def _sorted_set_text(reader: Reader) -> RdbSortedSet:
    return _scores((reader.string(), reader.double_text()) for _ in range(reader.count()))


def _sorted_set_listpack(reader: Reader) -> RdbSortedSet:
    return _scored(listpack.unpack(reader.string()))


def _sorted_set_ziplist(reader: Reader) -> RdbSortedSet:
    return _scored(ziplist.unpack(reader.string()))


def _scored(elements: list[bytes]) -> RdbSortedSet:
    return _scores((member, parse_double(score)) for member, score in _pairs(elements))


def _scores(pairs: Iterable[tuple[bytes, float]]) -> RdbSortedSet:
    scores: dict[bytes, float] = {}
    for member, score in pairs:
        if math.isnan(score):
            raise PayloadError("a score is no number")
        if member in scores:
            raise PayloadError("a member stands twice in a sorted set")
        scores[member] = score
    return RdbSortedSet(scores)


def _pairs(elements: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    if not elements or len(elements) % 2:
        raise PayloadError("a collection of pairs is empty or has a half one")
    return zip(elements[::2], elements[1::2], strict=True)


# Hashes


def _hash(reader: Reader) -> RdbHash:
    return _fields((reader.string(), reader.string(), 0) for _ in range(reader.count()))


def _hash_zipmap(reader: Reader) -> RdbHash:
    return _fields_of_pairs(ziplist.unpack_map(reader.string()))


def _hash_ziplist(reader: Reader) -> RdbHash:
    return _fields_of_pairs(ziplist.unpack(reader.string()))


def _hash_listpack(reader: Reader) -> RdbHash:
    return _fields_of_pairs(listpack.unpack(reader.string()))


def _fields_of_pairs(elements: list[bytes]) -> RdbHash:
    return _fields((field, value, 0) for field, value in _pairs(elements))


def _hash_valkey(reader: Reader) -> RdbHash:
    """Field, value and deadline in turn."""

    def triples() -> Iterator[tuple[bytes, bytes, int]]:
        for _ in range(reader.count()):
            field, value, deadline_ms = reader.string(), reader.string(), reader.milliseconds()
            yield field, value, 0 if deadline_ms == _NO_DEADLINE else deadline_ms

    return _fields(triples())


def _hash_expiring(reader: Reader) -> RdbHash:
    """Deadline, field and value in turn; deadlines count from 1 below the earliest, 0 is none."""
    earliest_ms = reader.milliseconds()

    def triples() -> Iterator[tuple[bytes, bytes, int]]:
        for _ in range(reader.count()):
            since_ms, field, value = reader.length(), reader.string(), reader.string()
            yield field, value, earliest_ms + since_ms - 1 if since_ms else 0

    return _fields(triples())


def _hash_expiring_listpack(reader: Reader) -> RdbHash:
    """The earliest deadline, then a listpack of field, value and deadline in turn."""
    reader.milliseconds()
    elements = _not_empty(listpack.unpack(reader.string()))
    if len(elements) % 3:
        raise PayloadError("a hash with deadlines has an odd end")
    deadlines = [_to_milliseconds(text) for text in elements[2::3]]
    return _fields(zip(elements[::3], elements[1::3], deadlines, strict=True))


def _to_milliseconds(text: bytes) -> int:
    if not text.isdigit():
        raise PayloadError("a deadline is no number")
    return int(text)


def _fields(triples: Iterable[tuple[bytes, bytes, int]]) -> RdbHash:
    fields: dict[bytes, bytes] = {}
    deadlines: dict[bytes, int] = {}
    for field, value, deadline_ms in triples:
        if field in fields:
            raise PayloadError("a field stands twice in a hash")
        fields[field] = value
        if not 0 <= deadline_ms <= _TIME_MAX:
            raise PayloadError("a deadline is out of range")
        if deadline_ms:
            deadlines[field] = deadline_ms
    return RdbHash(fields, deadlines)


_DECODERS: Final[dict[int, Callable[[Reader], RdbValue]]] = {
    kinds.STRING: _string,
    kinds.LIST: _list,
    kinds.SET: _set,
    kinds.SORTED_SET_TEXT: _sorted_set_text,
    kinds.HASH: _hash,
    kinds.SORTED_SET: _sorted_set,
    kinds.HASH_ZIPMAP: _hash_zipmap,
    kinds.LIST_ZIPLIST: _list_ziplist,
    kinds.SET_INTSET: _set_intset,
    kinds.SORTED_SET_ZIPLIST: _sorted_set_ziplist,
    kinds.HASH_ZIPLIST: _hash_ziplist,
    kinds.LIST_QUICKLIST_ZIPLISTS: _list_quicklist_ziplists,
    kinds.HASH_LISTPACK: _hash_listpack,
    kinds.SORTED_SET_LISTPACK: _sorted_set_listpack,
    kinds.LIST_QUICKLIST: _list_quicklist,
    kinds.SET_LISTPACK: _set_listpack,
    kinds.HASH_VALKEY: _hash_valkey,
    kinds.HASH_EXPIRING: _hash_expiring,
    kinds.HASH_EXPIRING_LISTPACK: _hash_expiring_listpack,
    kinds.STREAM_1: lambda reader: decode_stream(reader, kinds.STREAM_1),
    kinds.STREAM_2: lambda reader: decode_stream(reader, kinds.STREAM_2),
    kinds.STREAM_3: lambda reader: decode_stream(reader, kinds.STREAM_3),
}
