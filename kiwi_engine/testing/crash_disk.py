"""What a disk holds, and what of it survives a power failure (pure).

The state behind `testing.crash_fs`: files and directories, each with live and durable content.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Final, TypeAlias

# How often a piece that was not written is torn, where tearing is asked for.
_TORN_SHARE: Final = 0.3


Entry: TypeAlias = "Content | Directory"


class PowerLoss:
    """What one power failure does: `keep` is the share of unsynced changes that survive.

    `survivors` holds the entries that were judged so far, by identity: a file that stands under
    several names at once is one file behind the crash, too.
    """

    def __init__(self, random: Random, keep: float, *, torn: bool, sector_bytes: int) -> None:
        self.random = random
        self.keep = keep
        self.torn = torn
        self.sector_bytes = sector_bytes
        self._survivors: dict[int, Entry] = {}

    def survivor(self, entry: Entry) -> Entry:
        """What is left of a file or directory."""
        found = self._survivors.get(id(entry))
        if found is None:
            found = self._survivors[id(entry)] = entry.after_crash(self)
        return found


class _Write:
    """Bytes written since the last sync. `lost`: a failed sync gave them up."""

    __slots__ = ("data", "lost", "offset")

    def __init__(self, offset: int, data: bytes) -> None:
        self.offset = offset
        self.data = data
        self.lost = False

    def copy(self) -> _Write:
        return self._part(self.offset, self.data)

    def beside(self, other: _Write) -> list[_Write]:
        """The parts of it that `other` does not cover."""
        before = self.data[: max(other.offset - self.offset, 0)]
        behind = self.data[max(other.offset + len(other.data) - self.offset, 0) :]
        end = self.offset + len(self.data)
        parts = (self._part(self.offset, before), self._part(end - len(behind), behind))
        return [part for part in parts if part.data]

    def _part(self, offset: int, data: bytes) -> _Write:
        part = _Write(offset, data)
        part.lost = self.lost
        return part


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
        lost: list[_Write] = []
        for write in self.pending:
            if write.lost:
                lost.append(write)
            else:
                self.durable[write.offset : write.offset + len(write.data)] = write.data
                # What was given up before can no longer come in its place.
                lost = [rest for given_up in lost for rest in given_up.beside(write)]
        self.durable = self.durable[: len(self.live)]
        self.pending = lost

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

    def fingerprint(self, known: dict[int, int]) -> int:
        """Equal for files in the same state, unsynced changes included."""
        if not self.pending and len(self.sizes) == 1:
            # Everything is durable.
            return hash(bytes(self.live))
        pending = tuple([(write.offset, write.data, write.lost) for write in self.pending])
        return hash((bytes(self.live), bytes(self.durable), pending, tuple(self.sizes)))

    def live_bytes(self) -> int:
        """The space it takes."""
        return len(self.live)

    def copy(self, copies: dict[int, Entry]) -> Content:
        """The same file; see `Directory.copy`."""
        twin = Content()
        twin.live, twin.durable = bytearray(self.live), bytearray(self.durable)
        twin.pending = [write.copy() for write in self.pending]
        twin.sizes = list(self.sizes)
        return twin

    def after_crash(self, crash: PowerLoss) -> Content:
        """A copy with a choice of the pending changes; everything in it is durable."""
        survivor = Content()
        if not self.pending and len(self.sizes) == 1:
            survivor.live = bytearray(self.durable)
        else:
            survivor.live = self._widened() if self.pending else bytearray(self.durable)
            self._keep_some(survivor.live, crash)
            size = self._surviving_size(crash.random, crash.keep)
            survivor.live.extend(bytes(max(size - len(survivor.live), 0)))
            del survivor.live[size:]
        survivor.durable = bytearray(survivor.live)
        survivor.sizes = [len(survivor.live)]
        return survivor

    def _surviving_size(self, random: Random, keep: float) -> int:
        if random.random() < keep:
            return self.sizes[-1]
        return random.choice(self.sizes) if keep else self.sizes[0]

    def _keep_some(self, live: bytearray, crash: PowerLoss) -> None:
        """Per sector, the first so many of its pieces were written; the next one may be torn."""
        random, keep = crash.random, crash.keep
        for pieces in self._by_sector(crash.sector_bytes).values():
            kept = len(pieces)
            if random.random() >= keep:
                kept = random.randrange(len(pieces)) if keep else 0
            for offset, data in pieces[:kept]:
                live[offset : offset + len(data)] = data
            if crash.torn and kept < len(pieces) and random.random() < _TORN_SHARE:
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
        self.live: dict[str, Entry] = {}
        self.durable: dict[str, Entry] = {}
        self.pending: list[dict[str, Entry | None]] = []

    def change(self, names: dict[str, Entry | None]) -> None:
        self.pending.append(names)
        _apply(self.live, names)

    def sync(self) -> None:
        self.durable = dict(self.live)
        self.pending.clear()

    def fingerprint(self, known: dict[int, int]) -> int:
        """Equal for directories in the same state, unsynced changes included.

        `known` holds what was looked at so far, by identity.
        """
        live = _fingerprint(self.live, known)
        if not self.pending:
            return live
        pending = tuple([_fingerprint(names, known) for names in self.pending])
        return hash((live, _fingerprint(self.durable, known), pending))

    def live_bytes(self) -> int:
        """The space that all files in it take."""
        return sum([entry.live_bytes() for entry in self.live.values()])

    def copy(self, copies: dict[int, Entry]) -> Directory:
        """The same tree. `copies` holds what was copied so far, by identity.

        A file stands under several names at once, live and durable ones, and stays one file.
        """
        twin = Directory()
        twin.live = {name: _copied(entry, copies) for name, entry in self.live.items()}
        twin.durable = {name: _copied(entry, copies) for name, entry in self.durable.items()}
        twin.pending = [
            {name: entry and _copied(entry, copies) for name, entry in names.items()}
            for names in self.pending
        ]
        return twin

    def after_crash(self, crash: PowerLoss) -> Directory:
        entries = dict(self.durable)
        blocked: set[str] = set()
        for names in self.pending:
            if blocked.isdisjoint(names) and crash.random.random() < crash.keep:
                _apply(entries, names)
            else:
                blocked.update(names)
        survivor = Directory()
        for name, entry in entries.items():
            survivor.live[name] = crash.survivor(entry)
        survivor.durable = dict(survivor.live)
        return survivor


def _fingerprint(names: Mapping[str, Entry | None], known: dict[int, int]) -> int:
    rows = []
    for name, entry in names.items():
        found = known.get(id(entry))
        if found is None:
            found = known[id(entry)] = entry.fingerprint(known) if entry is not None else 0
        rows.append((name, found))
    return hash(frozenset(rows))


def _copied(entry: Entry, copies: dict[int, Entry]) -> Entry:
    twin = copies.get(id(entry))
    if twin is None:
        twin = copies[id(entry)] = entry.copy(copies)
    return twin


def _apply(entries: dict[str, Entry], names: dict[str, Entry | None]) -> None:
    for name, entry in names.items():
        if entry is None:
            entries.pop(name, None)
        else:
            entries[name] = entry
