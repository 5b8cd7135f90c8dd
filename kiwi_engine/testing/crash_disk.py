"""What a disk holds, and what of it survives a power failure (pure).

The state behind `testing.crash_fs`: files and directories, each with live and durable content.
"""

from __future__ import annotations

from random import Random
from typing import Final

# How often a piece that was not written is torn, where tearing is asked for.
_TORN_SHARE: Final = 0.3


class _Write:
    """Bytes written since the last sync. `lost`: a failed sync gave them up."""

    __slots__ = ("data", "lost", "offset")

    def __init__(self, offset: int, data: bytes) -> None:
        self.offset = offset
        self.data = data
        self.lost = False


class Content:
    """A file's bytes, live and durable."""

    def __init__(self) -> None:
        self.live = bytearray()
        self.durable = bytearray()
        self.pending: list[_Write] = []
        # The sizes that the file had since the last sync, the durable one first.
        self.sizes = [0]

    def write(self, offset: int, data: bytes) -> None:
        if offset > len(self.live):
            self.resize(offset)
        self.live[offset : offset + len(data)] = data
        self.pending.append(_Write(offset, data))
        if len(self.live) != self.sizes[-1]:
            self.sizes.append(len(self.live))

    def resize(self, length: int) -> None:
        cut = len(self.live) - length
        if cut > 0:
            del self.live[length:]
            self.pending.append(_Write(length, bytes(cut)))
        else:
            self.live.extend(bytes(-cut))
        self.sizes.append(length)

    def sync(self) -> None:
        if any(write.lost for write in self.pending):
            self._write_durable()
        else:
            self.durable = bytearray(self.live)
            self.pending.clear()
        self.sizes = [len(self.live)]

    def _write_durable(self) -> None:
        self.durable = self._widened()
        for write in self.pending:
            if not write.lost:
                self.durable[write.offset : write.offset + len(write.data)] = write.data
        self.durable = self.durable[: len(self.live)]
        self.pending = [write for write in self.pending if write.lost]

    def give_up(self) -> None:
        """A sync failed: the changes stay visible, but no later sync writes them."""
        for write in self.pending:
            write.lost = True

    def drop_cache(self) -> None:
        """Changes that a failed sync gave up are seen no longer; others still wait for a sync."""
        if any(write.lost for write in self.pending):
            self.live = self._widened()
            self.pending = [write for write in self.pending if not write.lost]
            for write in self.pending:
                self.live[write.offset : write.offset + len(write.data)] = write.data
            del self.live[self.sizes[-1] :]

    def _widened(self) -> bytearray:
        """The durable bytes, with zeros up to the largest size since."""
        most = max(*self.sizes, *(w.offset + len(w.data) for w in self.pending), 0)
        return self.durable + bytes(max(most - len(self.durable), 0))

    def after_crash(self, random: Random, keep: float, torn: bool, sector_bytes: int) -> Content:
        """A copy with a choice of the pending changes; everything in it is durable."""
        survivor = Content()
        if not self.pending and len(self.sizes) == 1:
            survivor.live = bytearray(self.durable)
        else:
            survivor.live = self._widened() if self.pending else bytearray(self.durable)
            self._keep_some(survivor.live, random, keep, torn, sector_bytes)
            size = self._surviving_size(random, keep)
            survivor.live.extend(bytes(max(size - len(survivor.live), 0)))
            del survivor.live[size:]
        survivor.durable = bytearray(survivor.live)
        survivor.sizes = [len(survivor.live)]
        return survivor

    def _surviving_size(self, random: Random, keep: float) -> int:
        if random.random() < keep:
            return self.sizes[-1]
        return random.choice(self.sizes) if keep else self.sizes[0]

    def _keep_some(
        self, live: bytearray, random: Random, keep: float, torn: bool, sector_bytes: int
    ) -> None:
        """Per sector, the first so many of its pieces were written; the next one may be torn."""
        for pieces in self._by_sector(sector_bytes).values():
            kept = len(pieces)
            if random.random() >= keep:
                kept = random.randrange(len(pieces)) if keep else 0
            for offset, data in pieces[:kept]:
                live[offset : offset + len(data)] = data
            if torn and kept < len(pieces) and random.random() < _TORN_SHARE:
                offset, data = pieces[kept]
                whole = random.randrange(len(data))
                live[offset : offset + len(data)] = data[:whole] + random.randbytes(
                    len(data) - whole
                )

    def _by_sector(self, sector_bytes: int) -> dict[int, list[tuple[int, bytes]]]:
        sectors: dict[int, list[tuple[int, bytes]]] = {}
        for write in self.pending:
            begin, end = write.offset, write.offset + len(write.data)
            at = begin
            while at < end:
                stop = min(end, (at // sector_bytes + 1) * sector_bytes)
                piece = write.data[at - begin : stop - begin]
                sectors.setdefault(at // sector_bytes, []).append((at, piece))
                at = stop
        return sectors


class Directory:
    """Names, live and durable. A change is all the names that one operation sets or removes."""

    def __init__(self) -> None:
        self.live: dict[str, Content | Directory] = {}
        self.durable: dict[str, Content | Directory] = {}
        self.pending: list[dict[str, Content | Directory | None]] = []

    def change(self, names: dict[str, Content | Directory | None]) -> None:
        self.pending.append(names)
        _apply(self.live, names)

    def sync(self) -> None:
        self.durable = dict(self.live)
        self.pending.clear()

    def after_crash(self, random: Random, keep: float, torn: bool, sector_bytes: int) -> Directory:
        entries = dict(self.durable)
        blocked: set[str] = set()
        for names in self.pending:
            if blocked.isdisjoint(names) and random.random() < keep:
                _apply(entries, names)
            else:
                blocked.update(names)
        survivor = Directory()
        for name, entry in entries.items():
            survivor.live[name] = entry.after_crash(random, keep, torn, sector_bytes)
        survivor.durable = dict(survivor.live)
        return survivor


def _apply(
    entries: dict[str, Content | Directory], names: dict[str, Content | Directory | None]
) -> None:
    for name, entry in names.items():
        if entry is None:
            entries.pop(name, None)
        else:
            entries[name] = entry
