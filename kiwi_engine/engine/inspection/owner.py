"""Which process uses a data directory (shell; reads only).

Taking the lock to find out would refuse a server that starts at that moment, so the system is asked
who holds it. The system's table is Linux's; elsewhere a living process with the recorded number is
taken for the owner.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from kiwi_engine.fs.posix import LOCK_NAME

_LOCK_TABLE: Final = Path("/proc/locks")


def owner_of(directory: str) -> int | None:
    """The number of the process that holds `directory`, or None if it is free."""
    lock = Path(directory, LOCK_NAME)
    try:
        recorded = int(lock.read_text(encoding="ascii"))
        inode = lock.stat().st_ino
    except (FileNotFoundError, ValueError):
        return None
    if _LOCK_TABLE.exists():
        return recorded if is_locked(_LOCK_TABLE.read_text(), recorded, inode) else None
    return recorded if _is_alive(recorded) else None


def is_locked(table: str, process: int, inode: int) -> bool:
    """Whether the lock table (`proc_locks(5)`) shows `process` holding a flock on `inode`."""
    for line in table.splitlines():
        # 1: FLOCK  ADVISORY  WRITE 2345 08:01:6789 0 EOF; waiting ones have "->" in between.
        words = line.split()
        if len(words) < 6 or words[1] != "FLOCK":
            continue
        if words[4] == str(process) and words[5].rpartition(":")[2] == str(inode):
            return True
    return False


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
