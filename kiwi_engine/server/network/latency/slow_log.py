"""The commands that took long, the last of them (pure)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SlowEntry:
    """One command. `started_s` is a Unix time; `sync_us` passed until its group was durable.

    Redis calls `execute_us` the duration of a command. `client` is `ip:port`.
    """

    number: int
    started_s: int
    queued_us: int
    execute_us: int
    sync_us: int
    words: list[bytes]
    client: str
    client_name: bytes


class SlowLog:
    """The newest entries first; `length` of them are kept."""

    def __init__(self, length: int) -> None:
        self._entries: deque[SlowEntry] = deque(maxlen=length)
        self._next_number = 0

    def __len__(self) -> int:
        return len(self._entries)

    def resize(self, length: int) -> None:
        """Keep `length` entries from now on."""
        if length != self._entries.maxlen:
            self._entries = deque(list(self._entries)[:length], maxlen=length)

    def add(
        self,
        started_s: int,
        times_us: tuple[int, int, int],
        words: list[bytes],
        client: str,
        client_name: bytes,
    ) -> None:
        """Remember a command; `times_us` are those of queue, execution and sync."""
        entry = SlowEntry(self._next_number, started_s, *times_us, words, client, client_name)
        self._next_number += 1
        self._entries.appendleft(entry)

    def newest(self, count: int) -> list[SlowEntry]:
        """Up to `count` entries; -1: all."""
        entries = list(self._entries)
        return entries if count < 0 else entries[:count]

    def clear(self) -> None:
        """Forget all entries; numbers go on."""
        self._entries.clear()
