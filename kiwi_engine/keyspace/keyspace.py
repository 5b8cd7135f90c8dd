"""The numbered databases over one store, and what concerns them all (pure).

A database shows one *namespace* at a time. FLUSHDB gives it a fresh one and marks the old one dead,
so that it costs the same for one key and for a billion; `reclaim` removes what the dead hold, bit
by bit. SWAPDB exchanges two namespaces. Both are ordinary writes of small meta entries, atomic with
the command's group. Namespace numbers are never used twice.

All methods belong to the thread that executes commands.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from random import Random
from typing import Final, NamedTuple

from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.access_times import AccessTimes
from kiwi_engine.keyspace.database import Database, Shared
from kiwi_engine.keyspace.encoding import NamespaceMap
from kiwi_engine.keyspace.expiry import ExpiryState
from kiwi_engine.keyspace.function_store import FunctionStore
from kiwi_engine.keyspace.hashes import field_expiry
from kiwi_engine.keyspace.limits import Limits
from kiwi_engine.keyspace.observation import Observation
from kiwi_engine.keyspace.sorted_sets.ranks import RankCache
from kiwi_engine.keyspace.spread.reclaim import Reclaimer
from kiwi_engine.keyspace.spread.versions import Versions

VALUE_BYTES_MAX: Final = 512 * 1024 * 1024
# Keys looked at to estimate the mean time to live of a database.
TTL_SAMPLE_COUNT: Final = 128
# Keys of a dead namespace that one range deletion removes; about ten milliseconds of a drain.
RECLAIMED_AT_ONCE: Final = 10_000


class DatabaseFacts(NamedTuple):
    """One line of `INFO keyspace`; the counts are exact, the mean is of a random sample."""

    database: int
    keys: int
    expires: int
    average_ttl_ms: int


class Keyspace:
    """The databases of a store.

    `value_bytes_max` bounds a value that a command builds (proto-max-bulk-len). `database_count` is
    how many databases can be selected. `seed` makes the choices of RANDOMKEY repeatable.
    """

    def __init__(self, store: Store, databases: int = 16, *, seed: int | None = None) -> None:
        self.value_bytes_max = VALUE_BYTES_MAX
        self.expiry = ExpiryState()
        self.limits = Limits()
        self.observation = Observation()
        self.random = Random(seed)
        self.database_count = databases
        self._store = store
        # To be called before each command that may have to be undone.
        self.forget_undo = store.forget_undo
        self._versions = Versions(store)
        self.reclaimer = Reclaimer(store)
        self.ranks = RankCache(store)
        self.accesses = AccessTimes()
        self.functions = FunctionStore(store)
        self._shared = Shared(
            store,
            self.expiry,
            self.limits,
            self._versions,
            self.reclaimer,
            self.ranks,
            self.accesses,
            self.observation,
        )
        # May be more than can be selected: those of a larger setting keep what they hold.
        self._databases: list[Database] = []
        self._map = NamespaceMap(0, ())
        self._dead: list[int] = []
        # Where reclaiming a dead namespace goes on; only to skip what was removed before.
        self._reclaim_from: dict[int, bytes] = {}
        # Up to which hash the keys of a dead namespace without deadlines were removed.
        self._forgotten_to: dict[int, int] = {}
        self.reload()

    def database(self, index: int) -> Database:
        """Database `index`, the same object at all times; `IndexError` if there is none."""
        if not 0 <= index < self.database_count:
            raise IndexError(index)
        return self._databases[index]

    def count_uses(self, is_on: bool) -> None:
        """Whether what follows counts as uses of the keys (CLIENT NO-TOUCH)."""
        for database in self._databases:
            database.count_uses(is_on)

    def reload(self) -> None:
        """Read the meta entries again: after a start, and after a rollback of the store."""
        stored = self._store.get(encoding.META_NAMESPACES)
        known = NamespaceMap(0, ()) if stored is None else encoding.decode_namespaces(stored)
        # Databases beyond those stored (the setting grew) get numbers that the next reload gives
        # them again, because nothing else takes a number without storing the map.
        missing = max(0, self.database_count - len(known.namespaces))
        next_namespace = known.next_namespace + missing
        extra = tuple(range(known.next_namespace, next_namespace))
        self._map = NamespaceMap(next_namespace, known.namespaces + extra)
        for index in range(len(self._databases), len(self._map.namespaces)):
            self._databases.append(Database(index, self._shared))
        dead = self._store.range(encoding.META_DEAD, encoding.META_DEAD_END)
        self._dead = [encoding.parse_dead_key(key) for key, _ in dead]
        self._reclaim_from.clear()
        self._forgotten_to.clear()
        self._versions.reload()
        self.reclaimer.reload()
        self.ranks.reload()
        self.functions.reload()
        self.expiry.floor_ms = self.expiry.fields_floor_ms = 0
        self._show_namespaces()

    def tell_new_keys(self, is_on: bool) -> None:
        """Let the observer be told of each new key, which costs each write a look at the old."""
        self.observation.tells_new_keys = is_on
        for database in self._databases:
            database.choose_put()

    def keep_undo(self, is_on: bool) -> None:
        """The commands that follow may have to be undone, or will not."""
        self._store.keep_undo(is_on)

    def undo(self) -> None:
        """Take back what the command under way has changed."""
        if self._store.undo():
            self.reload()

    def flush(self, indexes: Iterable[int]) -> None:
        """Empty some databases, each in constant time."""
        next_namespace, namespaces = self._map.next_namespace, list(self._map.namespaces)
        for database in (self._databases[index] for index in indexes):
            if next(database.walk(0), None) is None:
                continue
            assert next_namespace <= encoding.NAMESPACE_MAX, "2**32 flushes were thought enough"
            self._store.put(encoding.dead_key(database.namespace), b"")
            self._dead.append(database.namespace)
            namespaces[database.index] = next_namespace
            next_namespace += 1
        self._store_map(NamespaceMap(next_namespace, tuple(namespaces)))

    def swap(self, first: int, second: int) -> None:
        """Exchange what two databases show."""
        namespaces = list(self._map.namespaces)
        namespaces[first], namespaces[second] = namespaces[second], namespaces[first]
        self._store_map(NamespaceMap(self._map.next_namespace, tuple(namespaces)))

    def _store_map(self, changed: NamespaceMap) -> None:
        if changed != self._map:
            self._store.put(encoding.META_NAMESPACES, encoding.encode_namespaces(changed))
            self._map = changed
            self._show_namespaces()

    def _show_namespaces(self) -> None:
        for database, namespace in zip(self._databases, self._map.namespaces, strict=False):
            database.use_namespace(namespace)

    # Background work, each call an ordinary small write

    @property
    def dead_namespaces(self) -> int:
        """How many namespaces wait for `reclaim`."""
        return len(self._dead)

    def reclaim(self, limit: int) -> int:
        """Remove up to `limit` keys of dead namespaces and elements of dead collections each.

        Returns how many it looked at.
        """
        return self._reclaim_namespaces(limit) + self.reclaimer.work(limit)

    def _reclaim_namespaces(self, limit: int) -> int:
        """Remove up to `limit` keys of dead namespaces; how many it looked at.

        Safe to repeat and to stop anywhere: a namespace stays dead until nothing of it is left.
        One without deadlines goes in range deletions of some thousand keys each, one a call: when
        it is drained, each key is accounted for, and other drains wait for that. In another the
        keys are walked over, for the sake of their entries in the expiry index; entries that were
        stale already stay there until their time comes.
        """
        if not self._dead:
            return 0
        done = 0
        counts = self._store.recent_counts()
        while self._dead and done < limit:
            namespace = self._dead[0]
            begin = self._reclaim_from.get(namespace)
            if begin is None and not counts.get(encoding.expires_counter(namespace)):
                done += 1
                if self._forget_part(namespace, counts.get(encoding.keys_counter(namespace), 0)):
                    continue
                break
            room = limit - done
            removed = self._reclaim_keys(namespace, begin, room)
            if removed < room:
                self._forget_namespace(namespace)
            done += max(1, removed)
        return done

    def _forget_part(self, namespace: int, key_count: int) -> bool:
        """Remove about `RECLAIMED_AT_ONCE` keys of a dead namespace; whether it was all of them.

        The keys are not looked at, as their hashes spread them evenly over what is left. A
        `key_count` that is too high makes the part smaller.
        """
        prefix = encoding.namespace_prefix(namespace)
        begin_hash = self._forgotten_to.get(namespace)
        if begin_hash is None:
            rows = self._store.range(prefix, encoding.namespace_prefix(namespace + 1))
            begin_hash = next((encoding.hash_of(key) for key, _ in rows), encoding.HASH_LIMIT)
        parts = max(1, key_count // RECLAIMED_AT_ONCE)
        end_hash = begin_hash + -((begin_hash - encoding.HASH_LIMIT) // parts)
        if end_hash >= encoding.HASH_LIMIT:
            self._forget_namespace(namespace)
            return True
        begin, end = (encoding.place(prefix, bound) for bound in (begin_hash, end_hash))
        self._store.delete_range(begin, end)
        self._forgotten_to[namespace] = end_hash
        return False

    def _forget_namespace(self, namespace: int) -> None:
        begin, end = map(encoding.namespace_prefix, (namespace, namespace + 1))
        self._store.delete_range(begin, end)
        self._store.delete(encoding.dead_key(namespace))
        self._dead.remove(namespace)
        self._reclaim_from.pop(namespace, None)
        self._forgotten_to.pop(namespace, None)

    def _reclaim_keys(self, namespace: int, begin: bytes | None, limit: int) -> int:
        """Remove the next keys of a dead namespace one by one; fewer than `limit`: the last."""
        begin = begin or encoding.namespace_prefix(namespace)
        end = encoding.namespace_prefix(namespace + 1)
        entries = list(islice(self._store.range(begin, end), limit))
        for stored_key, head in entries:
            deadline_ms = encoding.deadline_of(head)
            if deadline_ms:
                key = encoding.user_key(stored_key)
                self._store.delete(encoding.expiry_key(deadline_ms, namespace, key))
            self._store.delete(stored_key)
        if entries:
            self._reclaim_from[namespace] = entries[-1][0]
        return len(entries)

    def expire_cycle(self, now_ms: int, limit: int) -> int:
        """Remove up to `limit` entries of the expiry index whose time has passed, and their keys.

        Returns the number of entries removed; `limit` means that there may be more. A key goes only
        if the entry is its deadline still.
        """
        if self.expiry.floor_ms > now_ms:
            return 0
        begin = encoding.expiry_bound(self.expiry.floor_ms)
        end = encoding.expiry_bound(now_ms)
        due = [key for key, _ in islice(self._store.range(begin, end), limit)]
        entries = [encoding.parse_expiry_key(key) for key in due]
        living = {database.namespace: database for database in self._databases}
        homes = [living.get(entry.namespace) for entry in entries]
        pairs = list(zip(homes, entries, strict=True))
        self._store.prefetch([home.stored_key(entry.key) for home, entry in pairs if home])
        for home, entry in pairs:
            if home:
                home.expire_at(entry.key, entry.deadline_ms)
        for stored_key in due:
            self._store.delete(stored_key)
        is_done = len(due) < limit
        self.expiry.floor_ms = (
            self._next_deadline_ms(now_ms) if is_done else entries[-1].deadline_ms
        )
        return len(due)

    def expire_fields(self, now_ms: int, limit: int) -> int:
        """Remove up to `limit` expired fields of hashes; `limit`: there may be more."""
        living = {database.namespace: database for database in self._databases}
        return field_expiry.expire_fields(self._store, living, self.expiry, now_ms, limit)

    def _next_deadline_ms(self, now_ms: int) -> int:
        """The earliest deadline from `now_ms` on: until then the cycle need not look again."""
        later = self._store.range(encoding.expiry_bound(now_ms), encoding.EXPIRY_END)
        for key, _ in later:
            return encoding.parse_expiry_key(key).deadline_ms
        return encoding.DEADLINE_MS_MAX

    # Facts

    def key_count(self, database: Database) -> int:
        """How many keys are stored in `database`; exact, expired ones not yet removed included."""
        return self._store.count(encoding.keys_counter(database.namespace))

    def facts(self, now_ms: int) -> list[DatabaseFacts]:
        """The databases that hold something; counts as from `Store.recent_counts`."""
        found = []
        counts = self._store.recent_counts()
        for database in self._databases[: self.database_count]:
            keys = counts.get(encoding.keys_counter(database.namespace), 0)
            if keys:
                expires = counts.get(encoding.expires_counter(database.namespace), 0)
                average_ttl_ms = self._average_ttl_ms(database, now_ms) if expires else 0
                found.append(DatabaseFacts(database.index, keys, expires, average_ttl_ms))
        return found

    def _average_ttl_ms(self, database: Database, now_ms: int) -> int:
        """The mean over neighbours of a random hash: hashes make neighbours a random sample."""
        start = self.random.randrange(encoding.HASH_LIMIT)
        heads = [head for _, head in islice(database.walk(start), TTL_SAMPLE_COUNT)]
        heads += [head for _, head in islice(database.walk(0), TTL_SAMPLE_COUNT - len(heads))]
        deadlines = filter(None, map(encoding.deadline_of, heads))
        left = [max(0, deadline_ms - now_ms) for deadline_ms in deadlines]
        return sum(left) // len(left) if left else 0
