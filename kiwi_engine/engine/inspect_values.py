"""Reading the value log for a report (shell; reads only, bounded memory)."""

from __future__ import annotations

from kiwi_engine.engine.inspect_progress import Progress
from kiwi_engine.engine.inspect_report import Findings, ValueLogReport
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.segment_format import Corruption, TornTail
from kiwi_engine.vlog.format import VLOG, Pointer
from kiwi_engine.vlog.segment import ValueSegmentReader


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
