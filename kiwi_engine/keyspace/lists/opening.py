"""Lists in a database (pure). Specified in formats/keys.md.

A small list is packed into its root (`lists.packed`), a large one is spread over entries of its own
(`lists.spread`). Both do the same; `open_list` finds out which it is. Indexes run from 0 at the
head and must lie within the list. A list that was changed must be saved, once, after the last
change.
"""

from __future__ import annotations

from collections.abc import Sequence

from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.encoding import LIST_KIND
from kiwi_engine.keyspace.lists.encoding import built_encoding
from kiwi_engine.keyspace.lists.packed import PackedList, decode_elements, pack_or_spread
from kiwi_engine.keyspace.lists.spread import SpreadList
from kiwi_engine.keyspace.spread.roots import LISTPACK, Root

AnyList = PackedList | SpreadList


def open_list(db: Database, key: bytes, now_ms: int) -> AnyList | None:
    """The list at `key`, None where nothing lives; `WrongTypeError` where another kind does."""
    root = db.open(key, LIST_KIND, now_ms)
    if root is None:
        return None
    if root.version:
        return SpreadList(db, key, root)
    return PackedList(db, key, root, decode_elements(root.body))


def new_list(db: Database, key: bytes) -> PackedList:
    """An empty list for a key where nothing lives, to be filled and saved."""
    return PackedList(db, key, Root(LIST_KIND, LISTPACK), [])


def replace_list(db: Database, key: bytes, elements: Sequence[bytes]) -> None:
    """Put a list of `elements`, of which there must be some, over whatever lives at `key`."""
    assert elements, "an empty list is no key"
    root = Root(LIST_KIND, built_encoding(db.limits, elements))
    pack_or_spread(db, key, root, elements)
    db.replace(key, root)
