"""Sets in a database (pure). Specified in formats/keys.md.

A small set is packed into its root (`sets.packed`), a large one is spread over entries of its own
(`sets.spread`). Both answer the same questions; `open_set` finds out which it is. A set that was
changed must be saved, once, after the last change.
"""

from __future__ import annotations

from collections.abc import Sequence

from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.encoding import SET_KIND
from kiwi_engine.keyspace.sets.encoding import first_encoding
from kiwi_engine.keyspace.sets.packed import PackedSet, decode_members, encode_members, is_packed
from kiwi_engine.keyspace.sets.spread import SpreadSet, spread_out
from kiwi_engine.keyspace.spread.roots import Root

AnySet = PackedSet | SpreadSet


def open_set(db: Database, key: bytes, now_ms: int) -> AnySet | None:
    """The set at `key`, None where nothing lives; `WrongTypeError` where another kind does."""
    root = db.open(key, SET_KIND, now_ms)
    if root is None:
        return None
    if root.version:
        return SpreadSet(db, key, root)
    return PackedSet(db, key, root, decode_members(root.body))


def new_set(db: Database, key: bytes, first_member: bytes, expected_count: int) -> PackedSet:
    """An empty set for a key where nothing lives, to be filled and saved."""
    encoding = first_encoding(first_member, expected_count, db.limits)
    return PackedSet(db, key, Root(SET_KIND, encoding), ())


def replace_set(db: Database, key: bytes, members: Sequence[bytes], encoding: int) -> None:
    """Put a set of different `members`, in the order of replies, over whatever lives at `key`."""
    root = Root(SET_KIND, encoding, encode_members(members))
    if not is_packed(db, len(members), root.body):
        spread_out(db, key, root, members)
    db.replace(key, root)
