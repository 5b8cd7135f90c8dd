"""Copying the elements of a spread collection to another version (pure)."""

from __future__ import annotations

from itertools import islice
from typing import Final

from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.keyspace.spread.versions import TABLES, element_prefix

COPIED_AT_ONCE: Final = 1000


def copy_elements(store: Store, kind: int, source: int, target: int) -> None:
    """Write every element of version `source` under version `target` as well.

    All changes of a command become one atomic batch, so the copy is in memory until it is durable.
    """
    for table in TABLES[kind]:
        begin, end = element_prefix(table, source), element_prefix(table, source + 1)
        prefix = element_prefix(table, target)
        while rows := list(islice(store.scan(begin, end), COPIED_AT_ONCE)):
            for key, value in rows:
                store.put(prefix + key[len(prefix) :], value)
            begin = rows[-1][0] + b"\x00"
