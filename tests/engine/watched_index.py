"""An index in memory whose operations are operations of the crashable disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import Final

from kiwi_engine.errors import IndexFailedError, IndexFullError
from kiwi_engine.index.protocol import Change, KeyRange
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.memory_index import MemoryIndex

_PATH: Final = "/data/index"


class WatchedIndex(MemoryIndex):
    """Between two slices of a drain, and beside a flush, there are crash states, too.

    Whoever watches `fs` sees them, may fail them, and may cut the power in front of them.
    """

    def __init__(self, fs: CrashFs, durable: dict[bytes, bytes] | None = None) -> None:
        super().__init__(durable)
        self._fs = fs
        self.files = fs

    def write(self, changes: Sequence[Change], ranges: Sequence[KeyRange]) -> None:
        self._begin("index-write")
        super().write(changes, ranges)

    def flush(self) -> None:
        self._begin("index-flush")
        super().flush()

    def _begin(self, kind: str) -> None:
        if fault := self._fs.begin(kind, _PATH):
            kind_of_error = IndexFullError if fault.errno == errno.ENOSPC else IndexFailedError
            raise kind_of_error(_PATH, os.strerror(fault.errno))
