"""Up to which record the log may be given up (shell; any thread).

The index needs no record that it has flushed. But a backup that is being taken still copies some,
and the archive has not written all of them away; each of them holds back what it needs. What is
held back is the log from a record on, and with it the value-log segments that those records may
point to, even where the values are overwritten meanwhile.
"""

from __future__ import annotations

import threading
from typing import Final

# More than any LSN: nothing is held back.
UNLIMITED: Final = 2**64


class Retention:
    """Who holds the log back, by name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._through: dict[str, int] = {}

    def hold(self, name: str, through_lsn: int) -> None:
        """`name` needs every record above `through_lsn`; replaces what it needed before."""
        with self._lock:
            self._through[name] = through_lsn

    def let_go(self, name: str) -> None:
        """`name` needs nothing any more."""
        with self._lock:
            self._through.pop(name, None)

    def floor(self) -> int:
        """Records up to this LSN may go; `UNLIMITED` where nobody holds any back."""
        with self._lock:
            return min(self._through.values(), default=UNLIMITED)
