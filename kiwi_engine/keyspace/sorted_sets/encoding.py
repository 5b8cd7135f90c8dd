"""What OBJECT ENCODING says of a sorted set, as it grows, and what that changes (pure).

Source: `zsetTypeCreate`, `zsetTypeMaybeConvert` and `zsetAdd` of Redis 7.2 (t_zset.c). A sorted set
never goes back to an earlier encoding.
"""

from __future__ import annotations

from collections.abc import Iterable

from kiwi_engine.keyspace.limits import Limits
from kiwi_engine.keyspace.spread.roots import LISTPACK, SKIPLIST


def expecting(encoding: int, added_count: int, limits: Limits) -> int:
    """That of a sorted set just before a command adds up to `added_count` members."""
    return SKIPLIST if added_count > limits.zset_max_listpack_entries else encoding


def with_member(encoding: int, count: int, member: bytes, limits: Limits) -> int:
    """That of a sorted set of `count` members after a new one has entered."""
    is_full = count >= limits.zset_max_listpack_entries
    return SKIPLIST if is_full or len(member) > limits.zset_max_listpack_value else encoding


def of_result(members: Iterable[bytes], count: int, limits: Limits) -> int:
    """That of a sorted set which is stored as a whole."""
    if count > limits.zset_max_listpack_entries:
        return SKIPLIST
    longest = max(map(len, members))
    return LISTPACK if longest <= limits.zset_max_listpack_value else SKIPLIST


def stored_score(encoding: int, score: float) -> float:
    """A listpack holds whole numbers as such and so knows no -0."""
    return (score or 0.0) if encoding == LISTPACK else score
