"""Reading the value log for a report (shell; reads only, bounded memory)."""

from __future__ import annotations

from typing import Final, NamedTuple

from kiwi_engine.commit.changes import Changes
from kiwi_engine.engine.inspection.progress import Progress
from kiwi_engine.engine.inspection.report import FINDINGS_MAX, Findings, ValueLogReport
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.segment_format import Corruption, TornTail
from kiwi_engine.vlog.format import VLOG, Pointer, decode_pointer
from kiwi_engine.vlog.segment import ValueSegmentReader
from kiwi_engine.vlog.separated import Separated

# Missing values that wait for a later record of their key; some hundred bytes each.
_WAITING_MAX: Final = 100_000


class LogPointer(NamedTuple):
    """The log record with `lsn` says where the value of `key` lies."""

    key: bytes
    pointer: Pointer
    lsn: int


class ValueLogInspector:
    """One pass over every entry of the value log in `directory`.

    Afterwards `torn` holds the segments that end in a write that was cut off.
    """

    def __init__(self, fs: FileSystem, directory: str, progress: Progress) -> None:
        self._fs = fs
        self._directory = directory
        self._progress = progress
        numbers = VLOG.numbers(fs.list_directory(directory))
        self._sizes = {number: fs.size(self.path(number)) for number in numbers}
        self._entries = self._value_bytes = self._stored_bytes = 0
        self.torn: dict[int, TornTail] = {}

    def path(self, segment: int) -> str:
        """The file of `segment`."""
        return VLOG.path(self._directory, segment)

    def inspect(self, findings: Findings) -> ValueLogReport:
        """Check every entry; note damage. Torn tails are left in `torn` for the caller to judge."""
        self._progress.start("value log", sum(self._sizes.values()))
        before = 0
        for number, size in self._sizes.items():
            self._inspect_segment(number, before, findings)
            before += size
        return ValueLogReport(
            segments=len(self._sizes),
            bytes=sum(self._sizes.values()),
            entries=self._entries,
            value_bytes=self._value_bytes,
            stored_bytes=self._stored_bytes,
            torn_segments=len(self.torn),
        )

    def _inspect_segment(self, number: int, before: int, findings: Findings) -> None:
        reader = ValueSegmentReader(self._fs, self.path(number))
        for entry in reader.entries():
            self._entries += 1
            self._value_bytes += entry.pointer.raw_bytes
            self._stored_bytes += entry.pointer.entry_bytes
            self._progress.reach(before + entry.end)
        ending = reader.ending
        assert ending is not None, "the reader was exhausted"
        if isinstance(ending, Corruption):
            findings.add("corruption", *ending)
        elif isinstance(ending, TornTail):
            self.torn[number] = ending

    def holds(self, pointer: Pointer) -> bool:
        """Whether `pointer` lies in a segment and not in a torn tail; not whether it is intact."""
        torn = self.torn.get(pointer.segment)
        end = torn.offset if torn else self._sizes.get(pointer.segment, 0)
        return pointer.offset + pointer.entry_bytes <= end


class MissingValues:
    """Which values that log records point to are not there, and are the last word on their key.

    A collection removes values that a later record has replaced, while the log still speaks of
    them. Memory is bounded: where very many are missing, the first of them are judged at once.
    """

    def __init__(self, values: ValueLogInspector) -> None:
        self._values = values
        self._waiting: dict[bytes, LogPointer] = {}
        self.missing: list[LogPointer] = []

    def read(self, lsn: int, changes: Changes) -> list[tuple[bytes, Pointer]]:
        """Take the next record; returns the pointers of it that lead somewhere."""
        for begin, end in changes.ranges:
            for key in [key for key in self._waiting if begin <= key < end]:
                del self._waiting[key]
        found = []
        for key, entry in changes.entries.items():
            self._waiting.pop(key, None)
            if isinstance(entry, Separated):
                pointer = decode_pointer(entry.pointer)
                if self._values.holds(pointer):
                    found.append((key, pointer))
                else:
                    self._waiting[key] = LogPointer(key, pointer, lsn)
        while len(self._waiting) > _WAITING_MAX:
            self._judge(next(iter(self._waiting)))
        return found

    def judge(self) -> list[LogPointer]:
        """After the last record."""
        for key in list(self._waiting):
            self._judge(key)
        return self.missing

    def _judge(self, key: bytes) -> None:
        entry = self._waiting.pop(key)
        if len(self.missing) <= FINDINGS_MAX:
            self.missing.append(entry)
