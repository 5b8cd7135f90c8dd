"""Hashes in a database (pure). Specified in formats/keys.md.

A small hash is packed into its root (`hashes.packed`), a large one is spread over entries of its
own (`hashes.spread`). Both answer the same questions; `open_hash` finds out which it is. A hash
that was changed must be saved, once, after the last change.

A field may have a deadline, in milliseconds since the Unix epoch; 0 means none. A field whose
deadline lies before the time of the command is absent for everyone. The earliest deadline of each
hash is in an index of its own, by which `keyspace.hashes.field_expiry` finds what to remove.
"""

from __future__ import annotations

from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.encoding import HASH_KIND
from kiwi_engine.keyspace.hashes.packed import PackedHash
from kiwi_engine.keyspace.hashes.spread import SpreadHash
from kiwi_engine.keyspace.spread.roots import Root

Hash = PackedHash | SpreadHash


def open_hash(db: Database, key: bytes, now_ms: int) -> Hash | None:
    """The hash at `key`, None where nothing lives; `WrongTypeError` where another kind does.

    It may have no field at all if all of them have expired.
    """
    root = db.open(key, HASH_KIND, now_ms)
    if root is None:
        return None
    if root.version:
        return SpreadHash(db, key, root, now_ms)
    return PackedHash(db, key, root, now_ms)


def open_or_new(db: Database, key: bytes, now_ms: int) -> Hash:
    """The hash at `key`, or an empty one where nothing lives, to be filled and saved."""
    found = open_hash(db, key, now_ms)
    if isinstance(found, PackedHash) and not found.count:
        # All fields have expired, and so the key goes, with its own deadline. To look through a
        # spread hash for that would take too long; it goes in the background.
        found.save()
        db.emptied(key)
        found = None
    return found or PackedHash(db, key, Root(HASH_KIND), now_ms)
