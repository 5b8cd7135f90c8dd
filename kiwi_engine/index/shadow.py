"""A directory of links that stands in for a database that must not be changed (shell).

rocksdict writes a small file of its own (`rocksdict-config.json`) into the directory of every
database that it opens, also of one that it opens read-only. That would change what is only to be
looked at, and fail where nobody may write: in a mounted snapshot, on a damaged device. So RocksDB
is given a temporary directory with a symbolic link for each file, and rocksdict writes there.
"""

from __future__ import annotations

import os
import tempfile
from typing import Final

# Error messages name files below it; `index.translate` puts the true directory in their place.
PREFIX: Final = "kiwi-index-shadow-"
_OWN_FILE: Final = "rocksdict-config.json"


def make_shadow(path: str) -> tempfile.TemporaryDirectory[str]:
    """A directory with what the directory `path` holds now; `cleanup` removes it."""
    shadow = tempfile.TemporaryDirectory(prefix=PREFIX)
    for name in os.listdir(path):
        if name != _OWN_FILE:
            os.symlink(os.path.join(os.path.abspath(path), name), os.path.join(shadow.name, name))
    return shadow
