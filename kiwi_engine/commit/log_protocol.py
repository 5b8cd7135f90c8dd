"""What the pipeline needs of a log and of a value log (pure: types only).

`wal.writer.LogWriter` is the one local implementation of `Log`. A replicated log can take its
place: an append that returned is ordered, a sync that returned is final.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kiwi_engine.vlog.format import Pointer


class Log(Protocol):
    """An append-only sequence of records with dense LSNs. Used by one thread."""

    @property
    def next_lsn(self) -> int:
        """The LSN that the next `append` returns."""
        ...

    def append(self, payload: bytes) -> int:
        """Write one record; returns its LSN. `OSError` means: state unknown, do not go on."""
        ...

    def sync(self) -> None:
        """Make everything appended durable."""
        ...


class ValueLog(Protocol):
    """Where large values go. Used by one thread."""

    @property
    def dirty(self) -> bool:
        """Whether something was appended since the last sync."""
        ...

    def append(self, entries: Sequence[tuple[bytes, bytes]], lsn: int) -> list[Pointer]: ...

    def sync(self) -> None: ...
