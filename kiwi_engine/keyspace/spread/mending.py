"""Making spread collections whole again after some of their entries were lost (pure).

A salvage keeps every entry that it can prove, whatever it belongs to. So a collection may come out
with fewer elements than its root says, or with an element in one of two orders. Here the elements
that are left become a collection again: counts are those of what is there, an element that either
order of a sorted set knows is in both, the elements of a list close up. What is gone stays gone.
Pages of strings are not missed, since an absent page means zeros; a salvage names those it lost.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from kiwi_engine.checksum import crc32c_unchecked as crc32c
from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.hashes.rows import decode_row, due_key, parse_field_key
from kiwi_engine.keyspace.lists import spread as spread_lists
from kiwi_engine.keyspace.sorted_sets.ranks import RankCache
from kiwi_engine.keyspace.sorted_sets.score_order import SCORE_BYTES, decode_score, encode_score
from kiwi_engine.keyspace.spread.roots import Root, decode_root, encode_root, version_of
from kiwi_engine.keyspace.spread.versions import (
    ELEMENTS,
    FIELD_DEADLINES,
    FIELDS,
    MEMBER_SCORES,
    MEMBERS,
    RANKS,
    SCORES,
    STREAM_ENTRIES,
    Home,
    Versions,
    decode_home,
    element_prefix,
    parse_registry_key,
)
from kiwi_engine.keyspace.streams import format as streams_format

# Rows that are read before others are written.
CHUNK: Final = 1000
_SCORE: Final = struct.Struct(">d")
_LENGTH: Final = struct.Struct(">I")
_PREFIX_BYTES: Final = 9

Row = tuple[bytes, bytes]


class Mended(NamedTuple):
    """A collection whose root told of more or fewer elements than there are."""

    home: Home
    told: int
    found: int


class Mender:
    """Mends all collections of a store; `pause` is called after every chunk of writes."""

    def __init__(self, store: Store, pause: Callable[[], None]) -> None:
        self._store = store
        self._pause = pause
        self._by_kind: dict[int, Callable[[Root], None]] = {
            encoding.LIST_KIND: self._close_up,
            encoding.SET_KIND: self._count_members,
            encoding.SORTED_SET_KIND: self._agree_on_order,
            encoding.HASH_KIND: self._index_deadlines,
            encoding.STREAM_KIND: self._count_stream,
        }

    def run(self) -> Iterator[Mended]:
        """Those collections of which something is missing."""
        version = 0
        for key, value in self._rows(encoding.REGISTRY, encoding.REGISTRY_END):
            version, home = parse_registry_key(key), decode_home(value)
            stored_key = encoding.data_key(encoding.namespace_prefix(home.namespace), home.key)
            stored = self._store.get(stored_key)
            if stored is None or version_of(stored) != version or home.kind not in self._by_kind:
                continue
            root = decode_root(stored)
            told = root.count
            self._by_kind[home.kind](root)
            if root.count or home.kind == encoding.STREAM_KIND:
                self._store.put(stored_key, encode_root(root))
            else:
                self._store.delete(stored_key)
            self._pause()
            if root.count != told:
                yield Mended(home, told, root.count)
        # The registry is in the order of versions. Where the next number was lost, too, it must
        # not be one of them.
        Versions(self._store).skip(version)

    def _rows(self, begin: bytes, end: bytes) -> Iterator[Row]:
        """(key, value) in order, read in chunks: anything may be written in between."""
        while rows := list(islice(self._store.scan(begin, end), CHUNK)):
            yield from rows
            begin = rows[-1][0] + b"\x00"
            self._pause()

    def _table(self, table: bytes, version: int) -> Iterator[Row]:
        return self._rows(element_prefix(table, version), element_prefix(table, version + 1))

    def _count(self, table: bytes, version: int) -> int:
        return sum(1 for _ in self._table(table, version))

    def _count_members(self, root: Root) -> None:
        root.count = self._count(MEMBERS, root.version)

    def _index_deadlines(self, root: Root) -> None:
        """Count the fields; each deadline has its entry, and each entry its field."""
        root.count = 0
        due_prefix = element_prefix(FIELD_DEADLINES, root.version)
        self._store.delete_range(due_prefix, element_prefix(FIELD_DEADLINES, root.version + 1))
        for key, value in self._table(FIELDS, root.version):
            root.count += 1
            deadline_ms = decode_row(value).deadline_ms
            if deadline_ms:
                self._store.put(due_key(due_prefix, deadline_ms, parse_field_key(key)), b"")

    def _close_up(self, root: Root) -> None:
        """Move elements towards the head over the places of lost ones."""
        prefix = element_prefix(ELEMENTS, root.version)
        head = root.count = 0
        for key, value in self._table(ELEMENTS, root.version):
            if not root.count:
                head = int.from_bytes(key[_PREFIX_BYTES:], "big")
            wanted = prefix + (head + root.count).to_bytes(8, "big")
            if wanted != key:
                self._store.put(wanted, value)
                self._store.delete(key)
            root.count += 1
        root.body = spread_lists.encode_body(head, spread_lists.UNKNOWN_BYTES)

    def _agree_on_order(self, root: Root) -> None:
        """Each member has its score and its place in the order; both are counted anew."""
        store, version = self._store, root.version
        scores = element_prefix(MEMBER_SCORES, version)
        order = element_prefix(SCORES, version)
        for key, value in self._table(MEMBER_SCORES, version):
            place = order + encode_score(_SCORE.unpack(value)[0]) + key[_PREFIX_BYTES + 4 :]
            if store.head(place) is None:
                store.put(place, b"-" if value == _SCORE.pack(-0.0) else b"")
        for key, sign in self._table(SCORES, version):
            order_key = key[_PREFIX_BYTES:]
            member = order_key[SCORE_BYTES:]
            score_key = scores + crc32c(member).to_bytes(4, "big") + member
            known = store.get(score_key)
            if known is None:
                store.put(score_key, _SCORE.pack(-0.0 if sign else decode_score(order_key)))
            elif encode_score(_SCORE.unpack(known)[0]) != order_key[:SCORE_BYTES]:
                store.delete(key)
        root.count = self._count(SCORES, version)
        for key, _ in self._table(RANKS, version):
            store.delete(key)
        order_keys = (key[_PREFIX_BYTES:] for key, _ in self._table(SCORES, version))
        RankCache(store).new(version).fill(order_keys, root.count)

    def _count_stream(self, root: Root) -> None:
        root.count = first_id = 0
        for key, _ in self._table(STREAM_ENTRIES, root.version):
            first_id = first_id if root.count else streams_format.id_behind(key)
            root.count += 1
        last_id, _, max_deleted_id, added = streams_format.decode_stream(root.body)
        root.body = streams_format.encode_stream((last_id, first_id, max_deleted_id, added))
        prefix = streams_format.groups_prefix(root.version)
        for key, value in self._rows(prefix, encoding.behind(prefix)):
            group = key[len(prefix) :]
            self._store.put(key, self._count_group(root.version, group, value))

    def _count_group(self, version: int, group: bytes, value: bytes) -> bytes:
        """Mend the consumers of a group; its value with the right counts."""
        store = self._store
        owned: Counter[bytes] = Counter()
        begin = streams_format.pending_prefix(version, group)
        for key, stored in self._rows(begin, encoding.behind(begin)):
            pending = streams_format.decode_pending(streams_format.id_behind(key), stored)
            owned[pending.consumer] += 1
            place = streams_format.owned_prefix(version, group, pending.consumer)
            store.put(place + streams_format.id_bytes(pending.entry_id), b"")
        begin = streams_format.consumers_prefix(version, group)
        known = {
            key[len(begin) :]: streams_format.decode_consumer(stored)
            for key, stored in self._rows(begin, encoding.behind(begin))
        }
        for name in owned.keys() | known.keys():
            seen_ms, active_ms, _ = known.get(name, (0, streams_format.NEVER, 0))
            store.put(begin + name, streams_format.encode_consumer(seen_ms, active_ms, owned[name]))
            self._forget_unowned(version, group, name)
        counts = {"pending": owned.total(), "consumers": len(owned.keys() | known.keys())}
        facts = streams_format.decode_group(value)
        return streams_format.encode_group(facts._replace(**counts))

    def _forget_unowned(self, version: int, group: bytes, consumer: bytes) -> None:
        """Remove what a consumer seems to own of the entries that are pending no more."""
        begin = streams_format.owned_prefix(version, group, consumer)
        pending = streams_format.pending_prefix(version, group)
        for key, _ in self._rows(begin, encoding.behind(begin)):
            if self._store.head(pending + key[-streams_format.ID_BYTES :]) is None:
                self._store.delete(key)
