"""No command changes what a client may have cached without a word.

Random commands of all families; whatever reads of a key show differently behind a command must be
among the keys that the command has invalidated.
"""

from __future__ import annotations

from random import Random
from typing import Final

import pytest

from kiwi_engine.channel.events import Flushed, Invalidated
from kiwi_engine.channel.frames import RunFlags
from tests.differential.families import FAMILIES
from tests.differential.families.family import Family
from tests.differential.grammar import Words
from tests.tracking.storage import Storage

SEQUENCES: Final = 15
LENGTH: Final = 12
READER: Final = 1
WRITER: Final = 2
# What shows the value of each kind of key; sets and hashes have no order.
SHOWS: Final[dict[bytes, list[list[bytes]]]] = {
    b"+string\r\n": [[b"GET"]],
    b"+list\r\n": [[b"LRANGE", b"0", b"-1"]],
    b"+set\r\n": [[b"SORT_RO", b"ALPHA"]],
    b"+hash\r\n": [[b"HGETALL"], [b"HLEN"]],
    b"+zset\r\n": [[b"ZRANGE", b"0", b"-1", b"WITHSCORES"]],
    b"+stream\r\n": [[b"XRANGE", b"-", b"+"], [b"XLEN"]],
}
# PFDEBUG gives a sketch another form without a word, in Redis, too.
SILENT: Final = (b"pfdebug",)


class Cache:
    """Reads everything there is, in every way, and is remembered for it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def fill(self) -> dict[bytes, list[bytes]]:
        """What reads of each key show."""
        return {key: self._look(key) for key in (b"a", b"b", b"c", b"d")}

    def _look(self, key: bytes) -> list[bytes]:
        kind = self._read([b"TYPE", key])
        shown = [kind, self._read([b"PEXPIRETIME", key])]
        for name, *arguments in SHOWS.get(kind, []):
            shown.append(self._read([name, key, *arguments]))
        return shown

    def _read(self, words: Words) -> bytes:
        return self._storage.execute(READER, [words], RunFlags.TRACKED)[0]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_change_is_told(family: Family) -> None:
    chance = Random(family.name)
    changes = 0
    for _ in range(SEQUENCES):
        storage = Storage()
        storage.keyspace.limits.packed_max_entries = chance.choice((2, 100))
        cache = Cache(storage)
        sequence = [*family.opening.draw(chance), *family.opening.draw(chance)]
        while len(sequence) < LENGTH:
            sequence += family.grammar.draw(chance)
        for at, words in enumerate(sequence):
            before = cache.fill()
            storage.take()
            storage.execute(WRITER, [words])
            events = storage.take()
            after = cache.fill()
            changed = {key for key in before if after[key] != before[key]}
            told = {event.key for event in events if isinstance(event, Invalidated)}
            was_flushed = any(isinstance(event, Flushed) for event in events)
            is_silent = words[0].lower() in SILENT
            assert was_flushed or is_silent or changed <= told, (changed, sequence[: at + 1])
            changes += len(changed)
    assert changes > 5, "hardly anything was changed"
