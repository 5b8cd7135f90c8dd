"""Removing what belongs to versions that no root names any more (pure).

DEL, expiry and overwriting touch the root alone. Most of them know which version they orphaned and
note it here; a blind SET does not. The counters of the store tell how many registered versions have
no root; as long as that is more than what was noted, the registry is walked, a little at a time.
Notes are lost with the process, the counters are not. Every step checks the root first and may be
repeated or cut off anywhere: the registry entry of a version goes last.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Final

from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.spread.roots import version_of
from kiwi_engine.keyspace.spread.versions import (
    TABLES,
    Home,
    decode_home,
    element_prefix,
    parse_registry_key,
    registry_key,
)

# So many keys and more go with one range deletion, fewer one by one: a range costs every later
# look-up a little until it is drained, a key costs its own bytes in the log.
RANGE_KEYS_MIN: Final = 500
# Versions that one step of the walk over the registry looks at.
WALKED_AT_ONCE: Final = 256
# Steps to wait before the walk begins again: the counters may lag behind what was just written.
STEPS_BETWEEN_WALKS: Final = 50
NOTED_MAX: Final = 100_000


class Reclaimer:
    """Owned by the executing thread; each call of `work` is an ordinary small write."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: deque[int] = deque()
        self._walk_from: bytes | None = None
        self._rest_steps = 0
        # Where the walk over one table of the version in work goes on; it skips what was removed.
        self._begin: dict[bytes, bytes] = {}

    def reload(self) -> None:
        """Forget the notes: after a rollback of the store."""
        self._noted.clear()
        self._walk_from = None
        self._rest_steps = 0
        self._begin.clear()

    def note(self, version: int) -> None:
        """No root names `version` any more, or soon another one does (RENAME)."""
        if version and len(self._noted) < NOTED_MAX:
            self._noted.append(version)

    def orphan_count(self) -> int:
        """How many versions wait to be removed; as exact as `Store.recent_counts`."""
        counts = self._store.recent_counts()
        registered = counts.get(encoding.VERSIONS_COUNTER, 0)
        return max(0, registered - counts.get(encoding.SPREAD_ROOTS_COUNTER, 0))

    def work(self, limit: int) -> int:
        """Remove up to `limit` elements of orphans; how many were removed."""
        removed = 0
        if not self._noted:
            self._walk()
        while self._noted and removed < limit:
            version = self._noted[0]
            home = self._home(version)
            if home is None or self._lives(version, home):
                self._noted.popleft()
                continue
            removed_now = self._remove_elements(version, home.kind, limit - removed)
            removed += removed_now
            if not removed_now:
                self._store.delete(registry_key(version))
                self._begin.clear()
                self._noted.popleft()
                removed += 1
        return removed

    def _home(self, version: int) -> Home | None:
        stored = self._store.get(registry_key(version))
        return None if stored is None else decode_home(stored)

    def _lives(self, version: int, home: Home) -> bool:
        prefix = encoding.namespace_prefix(home.namespace)
        root = self._store.get(encoding.data_key(prefix, home.key))
        return root is not None and version_of(root) == version

    def _remove_elements(self, version: int, kind: int, limit: int) -> int:
        """Remove some elements of one table; 0 when no table holds any."""
        for table in TABLES[kind]:
            begin = self._begin.get(table) or element_prefix(table, version)
            end = element_prefix(table, version + 1)
            keys = [key for key, _ in islice(self._store.range(begin, end), limit)]
            if not keys:
                continue
            behind = keys[-1] + b"\x00"
            if len(keys) >= RANGE_KEYS_MIN:
                self._store.delete_range(begin, behind)
            else:
                for key in keys:
                    self._store.delete(key)
            self._begin[table] = behind
            return len(keys)
        return 0

    def _walk(self) -> None:
        """Look for orphans that nobody noted, as long as there must be some."""
        if self._walk_from is None:
            if self._rest_steps:
                self._rest_steps -= 1
                return
            if not self.orphan_count():
                return
            self._walk_from = encoding.REGISTRY
        begin = self._walk_from
        rows = list(islice(self._store.scan(begin, encoding.REGISTRY_END), WALKED_AT_ONCE))
        for key, value in rows:
            version = parse_registry_key(key)
            if not self._lives(version, decode_home(value)):
                self._noted.append(version)
        if len(rows) == WALKED_AT_ONCE:
            self._walk_from = rows[-1][0] + b"\x00"
        else:
            self._walk_from = None
            self._rest_steps = STEPS_BETWEEN_WALKS
