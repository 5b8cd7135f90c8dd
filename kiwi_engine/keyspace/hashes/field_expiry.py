"""Removing the fields of hashes whose deadlines have passed (pure).

The index of field deadlines has an entry for each hash, with the earliest deadline that it keeps.
As with keys, an entry with another deadline is stale and dropped in its time: a hash may have gone,
or become another one, without a look at the index.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.encoding import ExpiryEntry
from kiwi_engine.keyspace.expiry import ExpiryState
from kiwi_engine.keyspace.hashes.opening import open_hash
from kiwi_engine.keyspace.spread.roots import field_deadline_of


def expire_fields(
    store: Store, databases: Mapping[int, Database], expiry: ExpiryState, now_ms: int, limit: int
) -> int:
    """Remove up to `limit` expired fields and stale entries; fewer if there are no more.

    `databases` are those that live, by their namespaces. `ExpiryState.fields_floor_ms` remembers
    where to begin the next time.
    """
    if expiry.fields_floor_ms > now_ms:
        return 0
    begin = encoding.field_expiry_bound(expiry.fields_floor_ms)
    end = encoding.field_expiry_bound(now_ms)
    due = [encoding.parse_expiry_key(key) for key, _ in islice(store.range(begin, end), limit)]
    homes = [databases.get(entry.namespace) for entry in due]
    pairs = list(zip(homes, due, strict=True))
    store.prefetch([home.stored_key(entry.key) for home, entry in pairs if home])
    done = 0
    for home, entry in pairs:
        if done >= limit:
            return done
        expiry.fields_floor_ms = entry.deadline_ms
        if home is None or not _is_current(home, entry, now_ms):
            store.delete(encoding.field_expiry_key(*entry))
            done += 1
        else:
            removed = _remove_expired(home, entry.key, now_ms, limit - done)
            expiry.expired_fields += removed
            done += max(1, removed)
    if done < limit:
        expiry.fields_floor_ms = _next_deadline_ms(store, now_ms)
    return done


def _is_current(home: Database, entry: ExpiryEntry, now_ms: int) -> bool:
    """Whether there is a hash that keeps this very deadline."""
    value = home.read_value(entry.key, now_ms)
    if value is None or encoding.kind_of(value) != encoding.HASH_KIND:
        return False
    return field_deadline_of(value) == entry.deadline_ms


def _remove_expired(home: Database, key: bytes, now_ms: int, limit: int) -> int:
    """Remove up to `limit` fields of a hash, and put its entry where it belongs now."""
    found = open_hash(home, key, now_ms)
    assert found is not None, "its entry is current"
    removed = found.remove_expired(limit)
    found.save()
    if not found.stored_count:
        home.emptied(key)
    return removed


def _next_deadline_ms(store: Store, now_ms: int) -> int:
    """The earliest deadline from `now_ms` on: until then there is nothing to do."""
    begin = encoding.field_expiry_bound(now_ms)
    for key, _ in store.range(begin, encoding.FIELD_EXPIRY_END):
        return encoding.parse_expiry_key(key).deadline_ms
    return encoding.DEADLINE_MS_MAX
