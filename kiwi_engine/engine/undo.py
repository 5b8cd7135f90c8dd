"""Taking back what one command changed before it failed (pure).

A command reads while it writes: the ninth element of a list may turn out to be damaged when eight
are moved already. While a journal is kept, each change notes what it replaced in the open group and
in the generation. Only the executing thread touches it; `Store` owns the only one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kiwi_engine.commit.group import Entry, Group
from kiwi_engine.engine.overlay import Generation
from kiwi_engine.errors import OverloadedError
from kiwi_engine.wal.format import PAYLOAD_BYTES_MAX


class Absent:
    """The type of `ABSENT`: there was no entry, not even a deletion."""


ABSENT: Final = Absent()
# What encoding adds must fit a record, too.
GROUP_BYTES_MAX: Final = PAYLOAD_BYTES_MAX // 8 * 7
Replaced = Entry | Absent


class Journal:
    """What a command replaced, in the order of its changes, and how much its group held before.

    Nearly every write on a collection comes here: `start` and `note` have no layer that is not
    needed.
    """

    __slots__ = (
        *("_changes", "_group", "_group_bytes", "_large_count", "_range_count", "_reply_count"),
    )

    def __init__(self, group: Group) -> None:
        self._changes: list[tuple[bytes, Replaced, Replaced]] = []
        self.start(group)

    def start(self, group: Group) -> None:
        """A new command begins, which writes into `group`."""
        self._group = group
        self._group_bytes = group.bytes
        self._large_count = len(group.large)
        self._range_count = len(group.ranges)
        self._reply_count = len(group.replies)
        if self._changes:
            self._changes = []

    def note(
        self, key: bytes, entries: Mapping[bytes, Entry], changes: Mapping[bytes, Entry]
    ) -> None:
        """`key` is about to be changed in those of the generation and those of the group.

        `OverloadedError` where the group holds more than a log record can: a group is one record,
        and nothing else bounds what a single command writes.
        """
        if self._group.bytes > GROUP_BYTES_MAX:
            raise OverloadedError(
                f"ERR more than {GROUP_BYTES_MAX} bytes would be changed at once, with what the "
                "commands before this one changed"
            )
        self._changes.append((key, entries.get(key, ABSENT), changes.get(key, ABSENT)))

    def take_back(self, generation: Generation) -> bool:
        """Restore group and generation; whether there was anything to restore.

        The generation must be the one into which the command wrote.
        """
        group = self._group
        if group.bytes == self._group_bytes:
            return False
        added_ranges = len(group.ranges) - self._range_count
        for key, in_generation, in_group in reversed(self._changes):
            _restore(generation.entries, key, in_generation)
            _restore(group.changes, key, in_group)
        group.bytes = self._group_bytes
        del group.large[self._large_count :]
        del group.ranges[self._range_count :]
        # No reply to the command is there yet: these are events, which tell what it has changed.
        del group.replies[self._reply_count :]
        generation.take_back_ranges(added_ranges)
        self._changes = []
        return True


def _restore(entries: dict[bytes, Entry], key: bytes, replaced: Replaced) -> None:
    if isinstance(replaced, Absent):
        entries.pop(key, None)
    else:
        entries[key] = replaced
