"""Sorted sets in a database (pure). Specified in formats/keys.md.

A small one is packed into its root (`sorted_sets.packed`), a large one is spread over entries of
its own (`sorted_sets.spread`). Both answer the same questions; `open_sorted_set` finds out which it
is. An element is a (member, score); indexes count from the lowest score on. A sorted set that was
changed must be saved, once, after the last change.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice

from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.encoding import SORTED_SET_KIND
from kiwi_engine.keyspace.sorted_sets.encoding import of_result, stored_score, with_member
from kiwi_engine.keyspace.sorted_sets.packed import (
    PackedSortedSet,
    by_score,
    decode_scores,
    encode_scores,
    is_packed,
)
from kiwi_engine.keyspace.sorted_sets.spread import Element, SpreadSortedSet, fill_spread
from kiwi_engine.keyspace.spread.roots import LISTPACK, Root

AnySortedSet = PackedSortedSet | SpreadSortedSet


def open_sorted_set(db: Database, key: bytes, now_ms: int) -> AnySortedSet | None:
    """The sorted set at `key`, None where nothing lives; `WrongTypeError` for another kind."""
    root = db.open(key, SORTED_SET_KIND, now_ms)
    if root is None:
        return None
    if root.version:
        return SpreadSortedSet(db, key, root)
    return PackedSortedSet(db, key, root, decode_scores(root.body))


def new_sorted_set(
    db: Database, key: bytes, first_member: bytes, expected_count: int
) -> PackedSortedSet:
    """An empty one for a key where nothing lives, to be filled and saved.

    `first_member` and `expected_count`: what the command that creates it is about to add.
    """
    encoding = with_member(LISTPACK, expected_count - 1, first_member, db.limits)
    return PackedSortedSet(db, key, Root(SORTED_SET_KIND, encoding), {})


def replace_sorted_set(db: Database, key: bytes, elements: Iterable[Element]) -> int:
    """Put a sorted set of `elements` over whatever lives at `key`; how many they are.

    They come in any order, no member twice; without any nothing is changed. They may be a stream
    that reads from the store, as those of both forms do.
    """
    limits = db.limits
    rest = iter(elements)
    # So many tell what the encoding is and whether the set is packed.
    decisive = max(limits.packed_max_entries, limits.zset_max_listpack_entries) + 1
    first = sorted(islice(rest, decisive), key=by_score)
    if not first:
        return 0
    encoding = of_result((member for member, _ in first), len(first), limits)
    scores = {member: stored_score(encoding, score) for member, score in first}
    root = Root(SORTED_SET_KIND, encoding, encode_scores(scores))
    total = len(scores)
    if not is_packed(limits, total, len(root.body)):
        db.spread(key, root)
        fill_spread(db, root, chain(scores.items(), rest))
        total = root.count
    db.replace(key, root)
    return total
