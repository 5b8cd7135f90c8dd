"""What must hold of every spread sorted set that is stored, at all times (pure)."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Mapping
from itertools import pairwise

from kiwi_engine.keyspace.encoding import SORTED_SET_KIND, is_spread, kind_of
from kiwi_engine.keyspace.sorted_sets.score_order import SCORE_BYTES, decode_score
from kiwi_engine.keyspace.spread.roots import Root, decode_root
from kiwi_engine.keyspace.spread.versions import MEMBER_SCORES, RANKS, SCORES, element_prefix


def check_sorted_sets(entries: Mapping[bytes, bytes]) -> int:
    """Both orders hold the same elements, and root and nodes count them; how many sets it were."""
    values = [value for key, value in entries.items() if key[:1] == b"d"]
    roots = [
        decode_root(value)
        for value in values
        if kind_of(value) == SORTED_SET_KIND and is_spread(value)
    ]
    for root in roots:
        _check_sorted_set(entries, root)
    return len(roots)


def _check_sorted_set(entries: Mapping[bytes, bytes], root: Root) -> None:
    scores = {
        key[4:]: struct.unpack(">d", value)[0]
        for key, value in _table(entries, MEMBER_SCORES, root.version).items()
    }
    order = _table(entries, SCORES, root.version)
    ordered = {
        key[SCORE_BYTES:]: -0.0 if sign else decode_score(key) for key, sign in order.items()
    }
    assert {k: repr(v) for k, v in scores.items()} == {k: repr(v) for k, v in ordered.items()}
    assert len(order) == root.count, "the root counts others"
    nodes = _table(entries, RANKS, root.version)
    boundaries, order_keys = sorted(nodes), sorted(order)
    assert boundaries[0] == b"", "the first node begins before everything"
    starts = [*(bisect_left(order_keys, boundary) for boundary in boundaries), len(order_keys)]
    counted = [int.from_bytes(nodes[boundary], "big") for boundary in boundaries]
    assert counted == [end - begin for begin, end in pairwise(starts)], "a node counts others"


def _table(entries: Mapping[bytes, bytes], table: bytes, version: int) -> dict[bytes, bytes]:
    prefix = element_prefix(table, version)
    return {key[len(prefix) :]: value for key, value in entries.items() if key.startswith(prefix)}
