"""Which RocksDB and which rocksdict this is (shell).

rocksdict does not offer RocksDB's version, but RocksDB writes it into the options file of every
database that it opens.
"""

from __future__ import annotations

import importlib.metadata
import os
import tempfile

from rocksdict import Options, Rdict

_OPTIONS_PREFIX = "OPTIONS-"
_VERSION_KEY = "rocksdb_version="


def rocksdict_version() -> str:
    """The version of the installed rocksdict package."""
    return importlib.metadata.version("rocksdict")


def rocksdb_version() -> str:
    """The RocksDB inside this rocksdict, asked through a throw-away database (some 20 ms)."""
    with tempfile.TemporaryDirectory(prefix="kiwi-version-") as directory:
        database = Rdict(directory, Options(raw_mode=True))
        database.close()
        return rocksdb_version_that_wrote(directory)


def rocksdb_version_that_wrote(directory: str) -> str:
    """The RocksDB that last opened the database in `directory` for writing, or "unknown"."""
    for name in sorted(os.listdir(directory), reverse=True):
        if not name.startswith(_OPTIONS_PREFIX):
            continue
        with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.strip().startswith(_VERSION_KEY):
                    return line.strip().removeprefix(_VERSION_KEY)
    return "unknown"


def version_of_directory(directory: str) -> str:
    """One line naming both versions, for INFO."""
    return f"RocksDB {rocksdb_version_that_wrote(directory)} (rocksdict {rocksdict_version()})"
