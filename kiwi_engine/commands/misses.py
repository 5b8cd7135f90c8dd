"""Telling of keys that a command looks up to read, and that are not there (pure).

Redis does so where it finds a key missing. Here it is asked before the command, so that nothing of
this is on the way of others: only while somebody wants to know. A command that fails for another
reason than what is at its keys may therefore tell of more than it does in Redis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kiwi_engine.commands.key_access import access_flags
from kiwi_engine.commands.key_positions import key_positions
from kiwi_engine.commands.resolve import find
from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.observation import KEY_MISS, Observer

# Commands that write, and look up all of their keys to read them.
_READS_ALL: Final = frozenset((
    "getdel", "getex", "getset", "pfcount", "pfmerge",
    "xack", "xautoclaim", "xclaim", "xreadgroup",
))  # fmt: skip
# Commands that read, but leave no trace of it; what scripts call is told of by itself.
_LEAVES_NO_TRACE: Final = frozenset(("debug", "memory", "object", "watch"))
_SCRIPTS: Final = "scripting"


def tell_misses(
    observer: Observer, database: Database, words: Sequence[bytes], now_ms: int
) -> None:
    """Tell `observer` of the missing keys among `words`, in the order in which they stand there."""
    for key in _looked_up(words):
        if database.head(key, now_ms) is None:
            observer.noted(database.index, key, KEY_MISS, b"keymiss")


def _looked_up(words: Sequence[bytes]) -> list[bytes]:
    """The keys that the command looks up to read them."""
    found = find(list(words))
    name = "" if found is None else found.name.partition("|")[0]
    if found is None or name in _LEAVES_NO_TRACE or found.row.group == _SCRIPTS:
        return []
    specs = found.row.keys
    if name not in _READS_ALL:
        specs = tuple(spec for spec in specs if _is_read(name, access_flags(spec, words)))
    keys = [words[place] for spec in specs for place in key_positions(spec, words)]
    # XREAD first looks at all streams to see whether they are some.
    return keys * 2 if name == "xread" else keys


def _is_read(name: str, flags: Sequence[str]) -> bool:
    return "RO" in flags or (name == "set" and "access" in flags)
