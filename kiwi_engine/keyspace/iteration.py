"""Walking over the keys of a database: SCAN, KEYS and RANDOMKEY (pure).

A cursor is a hash: the keys that a page leaves out are those whose hash is the cursor or greater.
It holds whatever is written between two pages, and across restarts. All keys of one hash are on one
page; there is hardly ever more than one.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.encoding import (
    HASH_LIMIT,
    KIND_NAMES,
    deadline_of,
    hash_of,
    kind_of,
    user_key,
)
from kiwi_engine.keyspace.glob import compile_glob, is_literal

SCAN_END: Final = 0
# Expired keys that one command removes on its way; what is left is the expiry cycle's.
FORGOTTEN_MAX: Final = 1000
_EVERYTHING: Final = b"*"


class Filter(NamedTuple):
    """Which keys to return; `kind` is a name as TYPE gives it, in lower case."""

    pattern: bytes = _EVERYTHING
    kind: bytes | None = None


class Page(NamedTuple):
    """Some keys, and the cursor of the next page; `SCAN_END` if this was the last one."""

    cursor: int
    keys: list[bytes]


def scan(database: Database, cursor: int, count: int, wanted: Filter, now_ms: int) -> Page:
    """The next `count` keys or a few more, of which those wanted are returned.

    A key that is there from the first page to the last is returned exactly once.
    """
    if cursor >= HASH_LIMIT:
        return Page(SCAN_END, [])
    entries: list[tuple[bytes, bytes]] = []
    last_hash, following = -1, SCAN_END
    for stored_key, head in database.walk(cursor):
        place = hash_of(stored_key)
        if len(entries) >= count and place != last_hash:
            following = place
            break
        last_hash = place
        entries.append((stored_key, head))
    return Page(following, _select(database, entries, wanted, now_ms))


def find_keys(database: Database, pattern: bytes, now_ms: int) -> list[bytes]:
    """All keys that match a glob pattern."""
    if pattern and is_literal(pattern):
        return [] if database.head(pattern, now_ms) is None else [pattern]
    return _select(database, database.walk(0), Filter(pattern), now_ms)


def _select(
    database: Database,
    entries: Iterator[tuple[bytes, bytes]] | list[tuple[bytes, bytes]],
    wanted: Filter,
    now_ms: int,
) -> list[bytes]:
    """The keys of `entries` that are wanted and alive; removes expired ones among them."""
    # "*" alone is no pattern at all: it finds the empty key, which no glob with a star matches.
    matches = None if wanted.pattern == _EVERYTHING else compile_glob(wanted.pattern)
    found: list[bytes] = []
    expired: list[bytes] = []
    for stored_key, head in entries:
        key = user_key(stored_key)
        if matches is not None and not matches(key):
            continue
        if 0 < deadline_of(head) < now_ms:
            expired.append(key)
        elif wanted.kind is None or KIND_NAMES[kind_of(head)] == wanted.kind:
            found.append(key)
    database.forget_expired(expired[:FORGOTTEN_MAX], now_ms)
    return found


def random_key(database: Database, random: Random, now_ms: int) -> bytes | None:
    """A living key, None if there is none: the first one from a random hash on.

    Hashes spread the keys evenly, but a key behind a wide gap is met more often than one behind a
    narrow gap.
    """
    start = random.randrange(HASH_LIMIT)
    expired: list[bytes] = []
    found = _first_living(database, start, now_ms, expired)
    if found is None:
        found = _first_living(database, 0, now_ms, expired)
    database.forget_expired(expired[:FORGOTTEN_MAX], now_ms)
    return found


def _first_living(
    database: Database, first_hash: int, now_ms: int, expired: list[bytes]
) -> bytes | None:
    """The first living key from `first_hash` on; those passed over are added to `expired`."""
    for stored_key, head in database.walk(first_hash):
        if not 0 < deadline_of(head) < now_ms:
            return user_key(stored_key)
        expired.append(user_key(stored_key))
    return None
