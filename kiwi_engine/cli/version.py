"""`kiwi-engine --version`: every version that decides what a data directory means (glue)."""

from __future__ import annotations

import platform

from kiwi_engine.engine.layout import Layout
from kiwi_engine.index.version import rocksdb_version, rocksdict_version
from kiwi_engine.version import VERSION


def version_text() -> str:
    """One fact a line, beginning with the program's own version."""
    formats = Layout()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    versions = (
        f"layout {formats.layout}, WAL {formats.wal}, changes {formats.changes}, "
        f"value log {formats.values}, keys {formats.keys}"
    )
    lines = (
        f"Kiwi Engine {VERSION}",
        f"RocksDB     {rocksdb_version()} (rocksdict {rocksdict_version()})",
        f"Python      {python} on {platform.system()} {platform.machine()}",
        f"Formats     {versions}",
    )
    return "\n".join(lines)
