"""One numbered database: keys with values and deadlines (pure).

Every read takes the time of its command: a key whose deadline lies before it is absent for
everyone, and its access removes it. A deadline is milliseconds since the Unix epoch; 0 means none.
`set` is blind: it reads neither the old value nor its deadline. What it leaves in the expiry index
is recognised there as stale, because an entry counts only while the key has that very deadline.
The elements of a collection that it overwrites are found by `keyspace.spread.reclaim`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kiwi_engine.checksum import crc32c_unchecked as crc32c
from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.errors import WrongTypeError
from kiwi_engine.keyspace.access_times import AccessTimes
from kiwi_engine.keyspace.encoding import (
    DEADLINE_END,
    HASH_KIND,
    KIND_NAMES,
    SPREAD_BIT,
    STRING,
    STRING_EXPIRING,
    STRING_KIND,
    data_key,
    deadline_of,
    expiry_key,
    field_expiry_key,
    is_spread,
    kind_of,
    namespace_prefix,
    place,
    string_value,
    user_key,
    with_deadline,
)
from kiwi_engine.keyspace.expiry import ExpiryState
from kiwi_engine.keyspace.limits import Limits
from kiwi_engine.keyspace.observation import EXPIRED, GENERIC, HASH, NEW_KEY, Observation
from kiwi_engine.keyspace.sorted_sets.ranks import RankCache
from kiwi_engine.keyspace.spread.copying import copy_elements
from kiwi_engine.keyspace.spread.reclaim import Reclaimer
from kiwi_engine.keyspace.spread.roots import (
    Root,
    decode_root,
    encode_root,
    field_deadline_of,
    version_of,
)
from kiwi_engine.keyspace.spread.versions import Home, Versions
from kiwi_engine.keyspace.strings.pages import whole_string


class Shared(NamedTuple):
    """What the databases of one keyspace have in common."""

    store: Store
    expiry: ExpiryState
    limits: Limits
    versions: Versions
    reclaimer: Reclaimer
    ranks: RankCache
    accesses: AccessTimes
    observation: Observation


class Database:
    """A database of a `Keyspace`, which alone creates it and tells it its namespace."""

    __slots__ = (
        "_accesses", "_delete", "_expiry", "_get", "_head", "_observation", "_peek_head", "_prefix",
        "_put", "_reclaimer", "_touch", "_versions", "index", "limits", "namespace", "ranks",
        "store",
    )  # fmt: skip

    def __init__(self, index: int, shared: Shared) -> None:
        self.index = index
        store = self.store = shared.store
        self.limits = shared.limits
        self._expiry = shared.expiry
        self._observation = shared.observation
        self._versions = shared.versions
        self._reclaimer = shared.reclaimer
        self.ranks = shared.ranks
        self._get = store.get
        self._head = store.head
        self._peek_head = store.peek_head
        self.choose_put()
        self._delete = store.delete
        self._accesses = shared.accesses
        self._touch = shared.accesses.touch
        self.use_namespace(index)

    def choose_put(self) -> None:
        """Write straight to the store, or tell the observer of keys that are new."""
        tells = self._observation.tells_new_keys
        self._put = self._put_and_tell if tells else self.store.put

    def _put_and_tell(self, stored_key: bytes, value: bytes) -> None:
        observer = self._observation.observer
        is_key = stored_key.startswith(self._prefix)
        if observer is not None and is_key and self._head(stored_key) is None:
            observer.noted(self.index, user_key(stored_key), NEW_KEY, b"new")
        self.store.put(stored_key, value)

    def use_namespace(self, namespace: int) -> None:
        """Show what `namespace` holds from now on (after FLUSHDB, SWAPDB or a rollback)."""
        self.namespace = namespace
        self._prefix = namespace_prefix(namespace)

    def stored_key(self, key: bytes) -> bytes:
        """Where the store keeps `key`."""
        return data_key(self._prefix, key)

    def touch(self, key: bytes) -> None:
        """Let `key` be used now; so do all that read or write its value, not those of a head."""
        self._accesses.touch(self.stored_key(key))

    def count_uses(self, is_on: bool) -> None:
        """Whether what follows, but for `touch`, counts as uses of its keys.

        That a key is made counts in any case.
        """
        self._touch = self._accesses.touch if is_on else self._touch_absent

    def _touch_absent(self, stored_key: bytes) -> None:
        if self._head(stored_key) is None:
            self._accesses.touch(stored_key)

    def prefetch(self, keys: Iterable[bytes]) -> None:
        """Bring `keys` into memory with one batched read; a hint."""
        self.store.prefetch([data_key(self._prefix, key) for key in keys])

    # Strings

    def get(self, key: bytes, now_ms: int) -> bytes | None:
        """The string at `key`; `WrongTypeError` where something else lives."""
        stored_key = place(self._prefix, crc32c(key)) + key
        self._touch(stored_key)
        value = self._get(stored_key)
        if value is None:
            return None
        if value[0] == STRING:
            return value[1:]
        return self._string_of(key, value, now_ms)[0]

    def get_with_deadline(self, key: bytes, now_ms: int) -> tuple[bytes | None, int]:
        """The string at `key` and its deadline; (None, 0) where there is none."""
        stored_key = place(self._prefix, crc32c(key)) + key
        self._touch(stored_key)
        value = self._get(stored_key)
        if value is None:
            return None, 0
        if value[0] == STRING:
            return value[1:], 0
        return self._string_of(key, value, now_ms)

    def _string_of(self, key: bytes, value: bytes, now_ms: int) -> tuple[bytes | None, int]:
        if self._vanishes(key, value, now_ms):
            return None, 0
        if value[0] == STRING_EXPIRING:
            return value[DEADLINE_END:], deadline_of(value)
        if kind_of(value) != STRING_KIND:
            raise WrongTypeError
        return whole_string(self.store, value), deadline_of(value)

    def set(self, key: bytes, payload: bytes) -> None:
        """Make `key` a string without a deadline, blindly."""
        stored_key = place(self._prefix, crc32c(key)) + key
        self._touch(stored_key)
        self._put(stored_key, b"\x00" + payload)

    def set_expiring(self, key: bytes, payload: bytes, deadline_ms: int) -> None:
        """Make `key` a string that expires; reads memory only."""
        self.write_value(key, string_value(payload, deadline_ms))

    def update(self, key: bytes, payload: bytes, deadline_ms: int) -> None:
        """Change the string at `key`, whose deadline is known to be `deadline_ms` and stays."""
        value = string_value(payload, deadline_ms) if deadline_ms else b"\x00" + payload
        self._put(place(self._prefix, crc32c(key)) + key, value)

    # Keys of every kind

    def head(self, key: bytes, now_ms: int) -> bytes | None:
        """The first bytes of the value at `key`, or None where no key lives."""
        head = self._head(place(self._prefix, crc32c(key)) + key)
        if head is not None and head[0] & 1 and self._vanishes(key, head, now_ms):
            return None
        return head

    def kind_name(self, key: bytes, now_ms: int) -> bytes | None:
        """What TYPE calls the value at `key`, or None where no key lives."""
        head = self.head(key, now_ms)
        return None if head is None else KIND_NAMES[kind_of(head)]

    def deadline(self, key: bytes, now_ms: int) -> int | None:
        """When `key` expires, 0 if never, None where no key lives."""
        head = self.head(key, now_ms)
        return None if head is None else deadline_of(head)

    def set_deadline(self, key: bytes, deadline_ms: int, now_ms: int) -> bool:
        """Change when `key` expires (0: never); whether the key lives."""
        value = self.read_value(key, now_ms)
        if value is None:
            return False
        previous_ms = deadline_of(value)
        if deadline_ms != previous_ms:
            self._put(self.stored_key(key), with_deadline(value, deadline_ms))
            self._move_expiry(key, previous_ms, deadline_ms)
        return True

    def delete(self, key: bytes, now_ms: int) -> bool:
        """Remove `key`; whether it lived."""
        head = self.head(key, now_ms)
        if head is None:
            return False
        self.remove(key, head)
        return True

    def remove(self, key: bytes, head: bytes) -> None:
        """Remove `key`, whose value begins with `head`."""
        stored_key = self.stored_key(key)
        if head[0] & SPREAD_BIT:
            self._note_orphan(stored_key)
        self._delete(stored_key)
        self._move_expiry(key, deadline_of(head), 0)

    def read_value(self, key: bytes, now_ms: int) -> bytes | None:
        """The stored value at `key`, of whatever kind, for `write_value` elsewhere."""
        stored_key = self.stored_key(key)
        self._touch(stored_key)
        value = self._get(stored_key)
        if value is not None and self._vanishes(key, value, now_ms):
            return None
        return value

    def write_value(self, key: bytes, value: bytes) -> None:
        """Store a value at `key`, over whatever was there; reads memory only.

        It may be one from `read_value` elsewhere if that key was removed: the elements of a spread
        value belong to one root.
        """
        stored_key = self.stored_key(key)
        self._touch(stored_key)
        replaced = self._peek_head(stored_key)
        previous_ms = 0
        if isinstance(replaced, bytes):
            previous_ms = deadline_of(replaced)
            if is_spread(replaced):
                self._note_orphan(stored_key)
        self._put(stored_key, value)
        self._move_expiry(key, previous_ms, deadline_of(value))
        if value[0] > STRING_EXPIRING:
            if is_spread(value):
                self._versions.move(version_of(value), self._home(key, kind_of(value)))
            if kind_of(value) == HASH_KIND:
                self.move_field_expiry(key, 0, field_deadline_of(value))

    def write_copy(self, key: bytes, value: bytes) -> None:
        """Store a copy of a value from `read_value` at `key`, over whatever was there."""
        if is_spread(value):
            root = decode_root(value)
            source_version = root.version
            root.version = self._versions.new(self._home(key, root.kind))
            copy_elements(self.store, root.kind, source_version, root.version)
            value = encode_root(root)
        self.write_value(key, value)

    # Collections

    def open(self, key: bytes, kind: int, now_ms: int) -> Root | None:
        """The root of the collection at `key`; `WrongTypeError` where another kind lives."""
        stored_key = place(self._prefix, crc32c(key)) + key
        self._touch(stored_key)
        value = self._get(stored_key)
        if value is None or (value[0] & 1 and self._vanishes(key, value, now_ms)):
            return None
        if value[0] >> 1 & 7 != kind:
            raise WrongTypeError
        return decode_root(value)

    def save(self, key: bytes, root: Root) -> None:
        """Store the root of a collection that is new or was opened; its deadline has not changed.

        Where nothing lived, `root` has no deadline.
        """
        self._put(place(self._prefix, crc32c(key)) + key, encode_root(root))

    def replace(self, key: bytes, root: Root) -> None:
        """Store the root of a new collection at `key`, over whatever was there."""
        self.write_value(key, encode_root(root))

    def drop(self, key: bytes, root: Root) -> None:
        """Remove a collection that has lost its last element."""
        self._delete(self.stored_key(key))
        self._reclaimer.note(root.version)
        self._move_expiry(key, root.deadline_ms, 0)

    def spread(self, key: bytes, root: Root) -> None:
        """Give a packed or new root a version; its elements are then written by the caller."""
        root.version = self._versions.new(self._home(key, root.kind))
        root.body = b""
        root.count = 0

    def _home(self, key: bytes, kind: int) -> Home:
        return Home(kind, self.namespace, key)

    def _note_orphan(self, stored_key: bytes) -> None:
        value = self._get(stored_key)
        if value is not None:
            self._reclaimer.note(version_of(value))

    def walk(self, first_hash: int) -> Iterator[tuple[bytes, bytes]]:
        """(stored key, head) in order of hash from `first_hash` on, expired ones included.

        Consume or drop it before the next write.
        """
        end = namespace_prefix(self.namespace + 1)
        return self.store.range(place(self._prefix, first_hash), end)

    # Expiry

    def expire_at(self, key: bytes, deadline_ms: int) -> None:
        """Remove `key` if `deadline_ms`, which has passed, is still its deadline."""
        stored_key = self.stored_key(key)
        head = self._head(stored_key)
        if head is not None and deadline_of(head) == deadline_ms:
            if is_spread(head):
                self._note_orphan(stored_key)
            self._delete(stored_key)
            self._expired(key)

    def forget_expired(self, keys: Iterable[bytes], now_ms: int) -> None:
        """Remove those of `keys` that have expired, as their access would."""
        for key in keys:
            self.head(key, now_ms)

    def _vanishes(self, key: bytes, head: bytes, now_ms: int) -> bool:
        """Whether the key has expired; if so, its access removes it."""
        if not 0 < deadline_of(head) < now_ms:
            return False
        if self._expiry.may_write:
            self.remove(key, head)
            self._expired(key)
        return True

    def _expired(self, key: bytes) -> None:
        """A key was removed because its time has passed."""
        self._expiry.expired_count += 1
        if self._observation.observer is not None:
            self._observation.observer.changed(self.index, key, EXPIRED, b"expired")

    def fields_expired(self, key: bytes) -> None:
        """Fields of the hash at `key` were removed because their time has passed."""
        if self._observation.observer is not None:
            self._observation.observer.changed(self.index, key, HASH, b"hexpired")

    def emptied(self, key: bytes) -> None:
        """The hash at `key` has gone with the last of its expired fields."""
        if self._observation.observer is not None:
            self._observation.observer.changed(self.index, key, GENERIC, b"del")

    def move_field_expiry(self, key: bytes, previous_ms: int, deadline_ms: int) -> None:
        """Keep the index of field deadlines in step with the earliest one of the hash at `key`.

        As for keys: each such hash has its entry, but not each entry its hash.
        """
        if previous_ms == deadline_ms:
            return
        if previous_ms:
            self._delete(field_expiry_key(previous_ms, self.namespace, key))
        if deadline_ms:
            self._put(field_expiry_key(deadline_ms, self.namespace, key), b"")
            self._expiry.fields_floor_ms = min(self._expiry.fields_floor_ms, deadline_ms)

    def _move_expiry(self, key: bytes, previous_ms: int, deadline_ms: int) -> None:
        """Keep the expiry index in step with a changed deadline; 0 means none or unknown.

        What must hold: every key with a deadline has its entry. The reverse need not.
        """
        if previous_ms == deadline_ms:
            return
        if previous_ms:
            self._delete(expiry_key(previous_ms, self.namespace, key))
        if deadline_ms:
            self._put(expiry_key(deadline_ms, self.namespace, key), b"")
            self._expiry.floor_ms = min(self._expiry.floor_ms, deadline_ms)
