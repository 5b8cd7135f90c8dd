"""Reading the index for a report, without taking its lock or changing a file (shell)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from kiwi_engine.engine.inspection.report import IndexReport
from kiwi_engine.engine.state import STATE_KEY, IndexState, decode_state
from kiwi_engine.engine.stored import decode_stored
from kiwi_engine.index.protocol import Index
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.index.settings import MEBIBYTE, IndexSettings
from kiwi_engine.vlog.format import Pointer, decode_pointer
from kiwi_engine.vlog.separated import Separated

# An inspection reads everything once: a large cache would only cost memory.
_SETTINGS: Final = IndexSettings(block_cache_bytes=8 * MEBIBYTE, open_files_max=64)


def exists(path: str) -> bool:
    """Whether there is anything in `path`; nothing is, before the first start has opened it."""
    return os.path.isdir(path) and bool(os.listdir(path))


def open_index(path: str) -> RocksIndex | None:
    """The index in `path`, read-only; None if the directory has none yet."""
    return RocksIndex.open(path, _SETTINGS, read_only=True) if exists(path) else None


def read_state(index: Index) -> IndexState:
    """What the engine noted in the index: the applied LSN and the counters."""
    return decode_state(index.get(STATE_KEY))


def report(index: RocksIndex, applied_lsn: int) -> IndexReport:
    """The size of the index as flushed."""
    facts = index.facts()
    return IndexReport(
        version=index.version,
        applied_lsn=applied_lsn,
        estimated_keys=facts.estimated_keys,
        table_files=sum(facts.files_per_level),
        table_bytes=facts.table_bytes,
    )


def entries(index: Index) -> Iterator[tuple[bytes, Pointer | None]]:
    """All keys of the keyspace, each with where its value lies if that is the value log.

    Reads every block of the index; `CorruptionError` at the first damaged one.
    """
    for key, stored in index.iterate(b"", None):
        if key != STATE_KEY:
            yield key, pointer_of(stored)


def pointer_of(stored: bytes) -> Pointer | None:
    """Where the value of an entry lies, if that is the value log; `CorruptionError` if unclear."""
    entry = decode_stored(stored)
    return decode_pointer(entry.pointer) if isinstance(entry, Separated) else None


def pointers(index: Index) -> Iterator[tuple[bytes, Pointer]]:
    """The keys whose values lie in the value log, and where."""
    return ((key, pointer) for key, pointer in entries(index) if pointer is not None)
