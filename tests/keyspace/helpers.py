"""A keyspace over a store in memory, with a time that tests set."""

from __future__ import annotations

from collections.abc import Callable

from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.testing.memory_store import MemoryStore

NOW = 1_700_000_000_000


def new_store(is_in_memory: Callable[[bytes], bool] = lambda _key: True) -> MemoryStore:
    return MemoryStore(encoding.tally, is_in_memory)


def new_keyspace(store: MemoryStore | None = None, databases: int = 16) -> Keyspace:
    return Keyspace(store or new_store(), databases, seed=7)


def check_structure(store: MemoryStore) -> None:
    """What must hold of the stored bytes at all times: every deadline has its entry.

    Except in dead namespaces: the cycle may come to their entries before `reclaim` does.
    """
    entries = store.snapshot()
    for key, value in entries.items():
        if key[:1] == b"d" and (deadline_ms := encoding.deadline_of(value)):
            namespace = int.from_bytes(key[1:5], "big")
            if encoding.dead_key(namespace) in entries:
                continue
            wanted = encoding.expiry_key(deadline_ms, namespace, encoding.user_key(key))
            assert wanted in entries, f"{key!r} has no entry in the expiry index"
