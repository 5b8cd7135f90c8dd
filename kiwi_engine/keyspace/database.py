"""One numbered database: keys with values and deadlines (pure).

Every read takes the time of its command: a key whose deadline lies before it is absent for
everyone, and its access removes it. A deadline is milliseconds since the Unix epoch; 0 means none.
`set` is blind: it reads neither the old value nor its deadline. What it leaves in the expiry index
is recognised there as stale, because an entry counts only while the key has that very deadline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kiwi_engine.checksum import crc32c_unchecked as crc32c
from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.errors import WrongTypeError
from kiwi_engine.keyspace.encoding import (
    DEADLINE_END,
    KIND_NAMES,
    STRING,
    STRING_EXPIRING,
    data_key,
    deadline_of,
    expiry_key,
    kind_of,
    namespace_prefix,
    place,
    string_value,
    with_deadline,
)
from kiwi_engine.keyspace.expiry import ExpiryState


class Database:
    """A database of a `Keyspace`, which alone creates it and tells it its namespace."""

    __slots__ = (
        "_delete", "_expiry", "_get", "_head", "_peek_head", "_prefix", "_put", "_store",
        "index", "namespace",
    )  # fmt: skip

    def __init__(self, index: int, store: Store, expiry: ExpiryState) -> None:
        self.index = index
        self._store = store
        self._expiry = expiry
        self._get = store.get
        self._head = store.head
        self._peek_head = store.peek_head
        self._put = store.put
        self._delete = store.delete
        self.use_namespace(index)

    def use_namespace(self, namespace: int) -> None:
        """Show what `namespace` holds from now on (after FLUSHDB, SWAPDB or a rollback)."""
        self.namespace = namespace
        self._prefix = namespace_prefix(namespace)

    def stored_key(self, key: bytes) -> bytes:
        """Where the store keeps `key`."""
        return data_key(self._prefix, key)

    def prefetch(self, keys: Iterable[bytes]) -> None:
        """Bring `keys` into memory with one batched read; a hint."""
        self._store.prefetch([data_key(self._prefix, key) for key in keys])

    # Strings

    def get(self, key: bytes, now_ms: int) -> bytes | None:
        """The string at `key`; `WrongTypeError` where something else lives."""
        value = self._get(place(self._prefix, crc32c(key)) + key)
        if value is None:
            return None
        if value[0] == STRING:
            return value[1:]
        return self._string_of(key, value, now_ms)[0]

    def get_with_deadline(self, key: bytes, now_ms: int) -> tuple[bytes | None, int]:
        """The string at `key` and its deadline; (None, 0) where there is none."""
        value = self._get(place(self._prefix, crc32c(key)) + key)
        if value is None:
            return None, 0
        if value[0] == STRING:
            return value[1:], 0
        return self._string_of(key, value, now_ms)

    def _string_of(self, key: bytes, value: bytes, now_ms: int) -> tuple[bytes | None, int]:
        if self._vanishes(key, value, now_ms):
            return None, 0
        if value[0] != STRING_EXPIRING:
            raise WrongTypeError
        return value[DEADLINE_END:], deadline_of(value)

    def set(self, key: bytes, payload: bytes) -> None:
        """Make `key` a string without a deadline, blindly."""
        self._put(place(self._prefix, crc32c(key)) + key, b"\x00" + payload)

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
        self._delete(self.stored_key(key))
        self._move_expiry(key, deadline_of(head), 0)

    def read_value(self, key: bytes, now_ms: int) -> bytes | None:
        """The stored value at `key`, of whatever kind, for `write_value` elsewhere."""
        value = self._get(self.stored_key(key))
        if value is not None and self._vanishes(key, value, now_ms):
            return None
        return value

    def write_value(self, key: bytes, value: bytes) -> None:
        """Store a value from `read_value` at `key`, over whatever was there; reads memory only."""
        stored_key = self.stored_key(key)
        replaced = self._peek_head(stored_key)
        previous_ms = deadline_of(replaced) if isinstance(replaced, bytes) else 0
        self._put(stored_key, value)
        self._move_expiry(key, previous_ms, deadline_of(value))

    def walk(self, first_hash: int) -> Iterator[tuple[bytes, bytes]]:
        """(stored key, head) in order of hash from `first_hash` on, expired ones included.

        Consume or drop it before the next write.
        """
        end = namespace_prefix(self.namespace + 1)
        return self._store.range(place(self._prefix, first_hash), end)

    # Expiry

    def expire_at(self, key: bytes, deadline_ms: int) -> None:
        """Remove `key` if `deadline_ms`, which has passed, is still its deadline."""
        stored_key = self.stored_key(key)
        head = self._head(stored_key)
        if head is not None and deadline_of(head) == deadline_ms:
            self._delete(stored_key)
            self._expiry.expired_count += 1

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
            self._expiry.expired_count += 1
        return True

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
