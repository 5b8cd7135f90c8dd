"""How much of a stream a trimming may remove (pure).

Redis keeps entries in nodes, and `~` lets it remove whole nodes only. Here every entry lies by
itself; nodes are imagined, `stream-node-max-entries` to each, so that a stream of small entries
that was never deleted from has the length that it would have there. (Redis also ends a node at
stream-node-max-bytes.) It pays here too: a trimming has to look for the oldest entries, and so it
does that once in a hundred times.
"""

from __future__ import annotations

from typing import Final, NamedTuple

# What a trimming with `~` removes at most, unless LIMIT says otherwise.
_NODES_AT_ONCE: Final = 100
_ENTRIES_AT_ONCE: Final = 1_000_000
# What a node is taken to have where stream-node-max-entries is 0; in Redis its bytes end it then.
_ENTRIES_WITHOUT_LIMIT: Final = 100


class Trim(NamedTuple):
    """Remove the oldest entries: all but `length_max`, or, if that is None, those below `id_min`.

    An `approximate` one removes whole nodes, `limit` entries at most; a `limit` of 0 is none.
    """

    length_max: int | None
    id_min: int = 0
    approximate: bool = False
    limit: int = 0


def default_limit(node_entries: int) -> int:
    """The `limit` of an approximate trimming that names none."""
    return min(_NODES_AT_ONCE * imagined(node_entries), _ENTRIES_AT_ONCE)


def imagined(node_entries: int) -> int:
    """How many entries a node is taken to have; 0 is the setting for no limit."""
    return node_entries or _ENTRIES_WITHOUT_LIMIT


def removable(trim: Trim, excess: int, length: int, removed_before: int, node_entries: int) -> int:
    """How many of the `excess` oldest of `length` entries go; `removed_before` are gone already."""
    if excess <= 0:
        return 0
    if not trim.approximate:
        return excess
    allowed = min(excess, trim.limit) if trim.limit else excess
    if allowed >= length:
        return length
    node_entries = imagined(node_entries)
    first_node = node_entries - removed_before % node_entries
    if allowed < first_node:
        return 0
    return first_node + (allowed - first_node) // node_entries * node_entries
