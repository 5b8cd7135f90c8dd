"""How opening a directory gets at its index: first to look at it, then to use it (shell).

RocksDB writes as soon as it is opened for writing: a new manifest, and it removes the tables that
its manifest does not mention. After damage to the manifest those may be the data. So what the index
says of itself is read before, without a write, and judged against the log; that costs a few
milliseconds beside the twenty and more of the real opening.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.engine.state import STATE_KEY, IndexState, decode_state
from kiwi_engine.index.files import is_new
from kiwi_engine.index.protocol import Index
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.index.settings import MEBIBYTE

# One key is read.
_CACHE_BYTES: Final = 1 * MEBIBYTE


class IndexAccess(Protocol):
    """The index of a data directory, in the directory `path`."""

    def read_state(self, path: str, settings: EngineSettings) -> IndexState:
        """What the engine noted in it, read without changing anything.

        `CorruptionError` where it is damaged, `IndexFailedError` where it cannot be read.
        """
        ...

    def open(self, path: str, settings: EngineSettings) -> Index:
        """The index for reading and writing, made if there is none. Raises as `read_state`."""
        ...


class RocksAccess:
    """The index that a server uses."""

    def read_state(self, path: str, settings: EngineSettings) -> IndexState:
        if is_new(path):
            return IndexState()
        quick = msgspec.structs.replace(settings.index, block_cache_bytes=_CACHE_BYTES)
        index = RocksIndex.open(path, quick, read_only=True)
        try:
            return decode_state(index.get(STATE_KEY))
        finally:
            index.close()

    def open(self, path: str, settings: EngineSettings) -> Index:
        return RocksIndex.open(path, settings.index)
