"""RocksDB's error messages as errors of this program (pure).

rocksdict raises bare `Exception` with RocksDB's status text, so the text is all there is to decide
by. The forms below were taken from RocksDB 9.8 itself; `tests/index` provokes each of them.
"""

from __future__ import annotations

import re

from kiwi_engine.errors import (
    CorruptionError,
    EngineClosedError,
    IndexFailedError,
    IndexFullError,
    IndexStalledError,
    KiwiError,
    LockedError,
)
from kiwi_engine.index.shadow import PREFIX

_STALLED = "Result incomplete"
_CORRUPTION = "Corruption:"
_NO_SPACE = ("No space left on device", "Disk quota exceeded")
_LOCK_HELD = re.compile(r"IO error: .*?lock")
_SHADOW = re.compile(rf"/[^\s:]*/{PREFIX}[^/\s]+")
_WHERE = re.compile(r" in (?P<path>/.*?) offset (?P<offset>\d+)")
_FILE = re.compile(r"(?:file |: )(?P<path>/\S+)")


def translate(error: Exception, directory: str) -> KiwiError:
    """The error to raise instead of `error`, which RocksDB reported about `directory`."""
    text = _SHADOW.sub(lambda _: directory, str(error))
    if type(error).__name__ == "DbClosedError":
        return EngineClosedError("the index is closed")
    if text.startswith(_STALLED):
        return IndexStalledError("the index is stalled by its own background work")
    if _CORRUPTION in text:
        return _corruption(text, directory)
    if _LOCK_HELD.match(text):
        return LockedError(f"{directory} is in use: {text}")
    if any(words in text for words in _NO_SPACE):
        return IndexFullError(directory, text)
    return IndexFailedError(directory, text)


def _corruption(text: str, directory: str) -> CorruptionError:
    where = _WHERE.search(text)
    if where is not None:
        return CorruptionError(where["path"], int(where["offset"]), text)
    file = _FILE.search(text)
    return CorruptionError(file["path"].rstrip(":.") if file else directory, 0, text)
