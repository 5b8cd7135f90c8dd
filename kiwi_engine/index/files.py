"""What the files of a RocksDB database are called, and what that tells (shell; reads only)."""

from __future__ import annotations

import os
from typing import Final

from kiwi_engine.errors import CorruptionError

# RocksDB creates it last when it makes a database: without it there is none.
CURRENT: Final = "CURRENT"
TABLE_SUFFIX: Final = ".sst"


def is_new(path: str) -> bool:
    """Whether RocksDB may make a database in the directory `path`: it begins with an empty one.

    `CorruptionError` if that would throw tables away. A database whose making was cut off has none.
    """
    names = os.listdir(path) if os.path.isdir(path) else []
    if CURRENT in names:
        return False
    tables = sum(name.endswith(TABLE_SUFFIX) for name in names)
    if tables:
        reason = f"the file is missing, although there are tables ({tables})"
        raise CorruptionError(os.path.join(path, CURRENT), 0, reason)
    return True
