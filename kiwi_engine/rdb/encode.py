"""From values to RDB (pure).

Each function returns one value with its type byte, in the form that Redis 7.2 writes for the same
encoding, or in an older one that loses nothing, so that older servers can read it. What comes in
any order in Redis comes in the caller's order. `payload.seal` makes a payload of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

from kiwi_engine.rdb import kinds, listpack, wire
from kiwi_engine.rdb.wire import Strings

_INTSET_WIDTHS: Final = (2, 4, 8)
# What list-max-listpack-size -1, -2, ... stands for, and the bound where it counts elements.
_NODE_BYTES: Final = (4096, 8192, 16384, 32768, 65536)
_NODE_BYTES_SAFE: Final = 8192
_UNLIMITED: Final = 2**63
_ELEMENT_OVERHEAD: Final = 8  # as Redis estimates it


class Encoded(NamedTuple):
    """A type byte with its value, and the RDB version that knows the type."""

    body: bytes
    version: int = kinds.VERSION_LISTPACKS


def _encoded(kind: int, parts: Iterable[bytes], version: int = kinds.VERSION_LISTPACKS) -> Encoded:
    return Encoded(bytes((kind,)) + b"".join(parts), version)


def string(payload: bytes) -> Encoded:
    return _encoded(kinds.STRING, [Strings().pack(payload)])


class NodeLimit(NamedTuple):
    """How much goes into one node of a list."""

    count_max: int
    bytes_max: int


def node_limit(setting: int) -> NodeLimit:
    """What `list-max-listpack-size` says: elements if positive, or one of five sizes."""
    if setting >= 0:
        return NodeLimit(max(setting, 1), _NODE_BYTES_SAFE)
    return NodeLimit(_UNLIMITED, _NODE_BYTES[min(-setting, len(_NODE_BYTES)) - 1])


def list_of(elements: Iterable[bytes], limit: NodeLimit) -> Encoded:
    """A quicklist, filled as RPUSH does; an element beyond the limit has a node of its own."""
    nodes = list(_nodes(elements, limit))
    return _encoded(kinds.LIST_QUICKLIST, [wire.length(len(nodes)), *nodes])


def _nodes(elements: Iterable[bytes], limit: NodeLimit) -> Iterator[bytes]:
    strings = Strings()
    node: list[bytes] = []
    size = 0
    for element in elements:
        is_long = len(element) > limit.bytes_max
        is_full = (
            len(node) >= limit.count_max
            or size + len(element) + _ELEMENT_OVERHEAD > limit.bytes_max
        )
        if node and (is_long or is_full):
            yield _packed_node(node, strings)
            node = []
        if is_long:
            yield wire.length(kinds.NODE_PLAIN) + strings.pack(element)
            continue
        if not node:
            size = listpack.EMPTY_BYTES
        node.append(element)
        size += len(listpack.pack_element(element))
    if node:
        yield _packed_node(node, strings)


def _packed_node(elements: list[bytes], strings: Strings) -> bytes:
    return wire.length(kinds.NODE_PACKED) + strings.pack(listpack.pack(elements))


def set_of(members: Iterable[bytes]) -> Encoded:
    parts = list(map(Strings().pack, members))
    return _encoded(kinds.SET, [wire.length(len(parts)), *parts])


def set_listpack(members: Collection[bytes]) -> Encoded:
    """A set with the encoding `listpack`, in the order of its members.

    Read from the older type, a set begins as an intset, which only loses the order of the integers
    that it begins with.
    """
    if listpack.to_integer(next(iter(members))) is None:
        return set_of(members)
    packed = Strings().pack(listpack.pack(members))
    return _encoded(kinds.SET_LISTPACK, [packed], kinds.VERSION_LISTPACK_SETS)


def intset(numbers: Collection[int]) -> Encoded:
    """Integers in ascending order, in as many bytes each as the largest needs."""
    low, high = min(numbers), max(numbers)
    width = next(
        width
        for width in _INTSET_WIDTHS
        if -(1 << 8 * width - 1) <= low and high < 1 << 8 * width - 1
    )
    header = width.to_bytes(4, "little") + len(numbers).to_bytes(4, "little")
    parts = [number.to_bytes(width, "little", signed=True) for number in numbers]
    return _encoded(kinds.SET_INTSET, [Strings().pack(header + b"".join(parts))])


def sorted_set(pairs: Iterable[tuple[bytes, float]]) -> Encoded:
    """Members with their scores, the highest first, as Redis writes them."""
    pack = Strings().pack
    parts = [pack(member) + wire.double(score) for member, score in pairs]
    return _encoded(kinds.SORTED_SET, [wire.length(len(parts)), *parts])


def sorted_set_listpack(pairs: Iterable[tuple[bytes, bytes]]) -> Encoded:
    """Members with their scores as Redis writes them in text, the lowest first."""
    elements = [word for pair in pairs for word in pair]
    return _encoded(kinds.SORTED_SET_LISTPACK, [Strings().pack(listpack.pack(elements))])


def hash_of(pairs: Iterable[tuple[bytes, bytes]]) -> Encoded:
    pack = Strings().pack
    parts = [pack(field) + pack(value) for field, value in pairs]
    return _encoded(kinds.HASH, [wire.length(len(parts)), *parts])


def hash_listpack(pairs: Iterable[tuple[bytes, bytes]]) -> Encoded:
    elements = [word for pair in pairs for word in pair]
    return _encoded(kinds.HASH_LISTPACK, [Strings().pack(listpack.pack(elements))])


def expiring_hash(triples: Iterable[tuple[bytes, bytes, int]], earliest_ms: int) -> Encoded:
    """Fields with values and deadlines, of which the first is `earliest_ms`; 0 is none."""
    pack = Strings().pack
    parts = []
    for field, value, deadline_ms in triples:
        since = deadline_ms - earliest_ms + 1 if deadline_ms else 0
        parts.append(wire.length(since) + pack(field) + pack(value))
    head = wire.milliseconds(earliest_ms) + wire.length(len(parts))
    return _encoded(kinds.HASH_EXPIRING, [head, *parts], kinds.VERSION_EXPIRING)


def expiring_hash_listpack(triples: Iterable[tuple[bytes, bytes, int]]) -> Encoded:
    """The same in one listpack, by deadline, those that do not expire last."""
    ordered = sorted(triples, key=lambda triple: triple[2] or kinds.NEVER_MS)
    elements = [word for triple in ordered for word in triple]
    parts = [wire.milliseconds(ordered[0][2]), Strings().pack(listpack.pack(elements))]
    return _encoded(kinds.HASH_EXPIRING_LISTPACK, parts, kinds.VERSION_EXPIRING)
