"""Our side of a comparison without a server around it: the executor over a store in memory (pure).

With `tiny` limits the very same sequences go through the other form of every collection, and
through the change from one to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kiwi_engine import clock
from kiwi_engine.commands.executor import Executor
from kiwi_engine.commands.resolve import find_row
from kiwi_engine.commands.scripting.engine import Scripts
from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.keyspace.encoding import REGISTRY, tally
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.keyspace.limits import Limits
from kiwi_engine.keyspace.spread.versions import TABLES
from kiwi_engine.testing.memory_store import MemoryStore
from tests.differential.harness import Commands

# Thresholds of Redis' encodings so low that short sequences cross them; the reference gets them
# as settings, we as limits.
ENCODING_LIMITS: Final = {
    "hash-max-listpack-entries": 5,
    "hash-max-listpack-value": 13,
    "set-max-intset-entries": 4,
    "set-max-listpack-entries": 5,
    "set-max-listpack-value": 13,
    "zset-max-listpack-entries": 5,
    "zset-max-listpack-value": 13,
    "list-max-listpack-size": 5,
    "hll-sparse-max-bytes": 300,
}
# What decides how a collection is stored here: everything but the smallest is spread.
TINY_FORMS: Final = {"packed-max-entries": 2, "packed-max-bytes": 60, "paged-min-bytes": 12}
_ELEMENT_TABLES: Final = frozenset(
    table[0] for tables in TABLES.values() for table in (*tables, REGISTRY)
)
# More steps of the reclaimer than it may rest between two walks over the registry.
_RECLAIM_STEPS: Final = 200


def limits_from(settings: dict[str, int]) -> Limits:
    """The limits of Redis' names."""
    return Limits(**{name.replace("-", "_"): value for name, value in settings.items()})


class InProcessServer:
    """It understands SELECT, which is not the executor's.

    A `thorough` one ends each sequence by removing all keys, and raises `AssertionError` if then
    something that belonged to them is not reclaimed.
    """

    def __init__(self, limits: Limits | None = None, *, thorough: bool = False) -> None:
        self._limits = limits or Limits()
        self._thorough = thorough
        self._scripts = Scripts(find_row)

    def run_all(self, sequences: Sequence[Commands], resp3: bool) -> list[list[bytes]]:
        return [self._run(commands, resp3) for commands in sequences]

    def _run(self, commands: Commands, resp3: bool) -> list[bytes]:
        store = MemoryStore(tally)
        keyspace = Keyspace(store, seed=1)
        for name in self._limits.__struct_fields__:
            setattr(keyspace.limits, name, getattr(self._limits, name))
        if self._thorough:
            keyspace.ranks.node_entries_min = 2
        executor = Executor(keyspace)
        # As in the reference, scripts outlive a sequence; an interpreter is not made at once.
        executor.scripts = self._scripts
        # One time for all: a pipeline in the reference is done before its clock goes on.
        now_ms = clock.wall_ms()
        replies: list[bytes] = []
        database, run = 0, list[list[bytes]]()
        for words in commands:
            if words[0].lower() != b"select":
                run.append(list(words))
                continue
            replies += executor.execute(database, resp3, run, now_ms)
            replies.append(b"+OK\r\n")
            database, run = int(words[1]), []
        replies += executor.execute(database, resp3, run, now_ms)
        if self._thorough:
            executor.execute(0, resp3, [[b"FLUSHALL"]], now_ms)
            assert reclaimed(keyspace, store), f"something is left after {commands}"
        return replies


def reclaimed(keyspace: Keyspace, store: Store) -> bool:
    """Whether nothing is left of the collections of an empty keyspace once it was cleaned up."""
    for _ in range(_RECLAIM_STEPS):
        keyspace.reclaim(1000)
        keyspace.reclaimer.work(1000)
        rows = store.range(b"", b"\xff" * 9)
        if not any(key[0] in _ELEMENT_TABLES for key, _ in rows):
            return True
    return False
