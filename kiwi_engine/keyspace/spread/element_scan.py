"""Pages and random picks among elements that are ordered by hash (pure).

The fields of a spread hash and the members of a spread set or sorted set have keys of one form:
`prefix | crc32c(element) u32 | element`, the prefix naming their version. So a hash is a place that
stays meaningful whatever is written, as it is among the keys of a database (`keyspace.iteration`):
a cursor needs no state, and an element that is there from the first page to the last is returned
exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import isqrt
from random import Random
from typing import Final, NamedTuple

from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.keyspace.encoding import behind

HASH_LIMIT: Final = 2**32
PAGES_END: Final = 0
# So many elements or more are expected in the span of hashes that a pick comes from.
NEIGHBOURS: Final = 32
# A sample comes from about so many spans, so that its elements are no neighbours as a rule.
WINDOWS: Final = 16
# Each try succeeds with a chance of more than a half where hashes are spread as they should be.
TRIES_MAX: Final = 10 * WINDOWS
# A walk over all elements is as cheap as a sample of one in so many of them.
WALK_SHARE: Final = 4

Row = tuple[bytes, bytes]


class Page(NamedTuple):
    """(stored key, value) of some elements, and the cursor of the next page or `PAGES_END`."""

    cursor: int
    rows: list[Row]


def page(store: Store, prefix: bytes, cursor: int, count: int) -> Page:
    """The next `count` elements or a few more: all of one hash are on one page."""
    if cursor >= HASH_LIMIT:
        return Page(PAGES_END, [])
    rows: list[Row] = []
    hash_at = slice(len(prefix), len(prefix) + 4)
    last_hash = b""
    for row in store.scan(prefix + cursor.to_bytes(4, "big"), behind(prefix)):
        place = row[0][hash_at]
        if len(rows) >= count and place != last_hash:
            return Page(int.from_bytes(place, "big"), rows)
        last_hash = place
        rows.append(row)
    return Page(PAGES_END, rows)


def pick(store: Store, prefix: bytes, total: int, random: Random) -> bytes:
    """The key of any of `total` elements, each with the same chance."""
    return sample(store, prefix, total, 1, random)[0]


def sample(store: Store, prefix: bytes, total: int, count: int, random: Random) -> list[bytes]:
    """The keys of `count` different elements of `total`, in any order.

    A small sample comes from neighbours of a few random hashes. A large one is made by a walk over
    all elements, and so is one of elements whose hashes are not spread as those of others are.
    """
    share = -(-count // WINDOWS)
    expected = max(NEIGHBOURS, 2 * share)
    if total > WALK_SHARE * max(count, expected):
        found: dict[bytes, None] = {}
        for _ in range(TRIES_MAX):
            found.update(dict.fromkeys(_some(store, prefix, total, share, expected, random)))
            if len(found) >= count:
                return list(islice(found, count))
    return _at_positions(store, prefix, sorted(random.sample(range(total), count)))


def sample_repeating(
    store: Store, prefix: bytes, total: int, count: int, random: Random
) -> list[bytes]:
    """The keys of `count` elements of `total`, each picked from all of them."""
    return repeating(sample(store, prefix, total, min(count, total), random), total, count, random)


def repeating(drawn: list[bytes], total: int, count: int, random: Random) -> list[bytes]:
    """`count` picks from `total` elements, of which `drawn` are a sample, or all.

    There are as many different ones as could be needed. Each pick is one of those that were picked
    before, or a new one, with the chances of an independent pick.
    """
    random.shuffle(drawn)
    picks: list[bytes] = []
    used = 0
    for _ in range(count):
        place = min(random.randrange(total), used)
        used += place == used
        picks.append(drawn[place])
    return picks


def _some(
    store: Store, prefix: bytes, total: int, share: int, expected: int, random: Random
) -> list[bytes]:
    """`share` elements of a span of hashes that should have `expected`, or none of them.

    An element is in as many spans as any other, but has better chances in a span of few. So a span
    counts only with a chance that is as much smaller, and each element has the same.
    """
    at_most = expected + 4 * isqrt(expected)  # hardly any span has more
    first = random.randrange(HASH_LIMIT)
    keys = _from_span(store, prefix, first, HASH_LIMIT * expected // total, at_most)
    if len(keys) < share or random.randrange(at_most) >= len(keys):
        return []
    return random.sample(keys, share)


def _from_span(store: Store, prefix: bytes, first: int, width: int, at_most: int) -> list[bytes]:
    """Up to `at_most` elements of the hashes from `first` on, which begin anew behind the last."""
    last = first + width
    spans = [(first, min(last, HASH_LIMIT)), (0, max(0, last - HASH_LIMIT))]
    keys: list[bytes] = []
    for begin, end in spans:
        rows = store.range(_bound(prefix, begin), _bound(prefix, end))
        keys += [key for key, _ in islice(rows, at_most - len(keys))] if begin < end else []
    return keys


def _bound(prefix: bytes, place: int) -> bytes:
    """Sorts before all elements of the hash `place` and greater ones."""
    return prefix + place.to_bytes(4, "big") if place < HASH_LIMIT else behind(prefix)


def _at_positions(store: Store, prefix: bytes, positions: list[int]) -> list[bytes]:
    """The keys at `positions`, which are in order and may repeat."""
    found: list[bytes] = []
    wanted: Iterator[int] = iter(positions)
    next_position = next(wanted, None)
    for at, (key, _) in enumerate(store.range(prefix, behind(prefix))):
        while next_position == at:
            found.append(key)
            next_position = next(wanted, None)
        if next_position is None:
            break
    return found
