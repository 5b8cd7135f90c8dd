"""Who would get a message: patterns of channels, and counts of subscribers (pure).

The network runtime knows the subscribers. The storage runtime keeps how many there are of each
channel and pattern, because a script that publishes is told how many connections get its message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Generic, TypeVar

from kiwi_engine.keyspace.glob import Matcher, compile_glob

Value = TypeVar("Value")

# The parts of the query `subscribers`, by which the counts travel: each is a map from a channel or
# pattern to how many connections are subscribed to it now.
CHANNELS: Final = "channels"
PATTERNS: Final = "patterns"
SHARD_CHANNELS: Final = "shard_channels"


class Patterns(Generic[Value]):
    """Glob patterns in the order in which they came, each compiled once, with a value each."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[bytes, tuple[Matcher, Value]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, pattern: bytes) -> Value | None:
        """The value of a pattern, or None if it is not there."""
        entry = self._entries.get(pattern)
        return None if entry is None else entry[1]

    def set(self, pattern: bytes, value: Value) -> None:
        """Add a pattern, or give it another value."""
        entry = self._entries.get(pattern)
        matches = compile_glob(pattern) if entry is None else entry[0]
        self._entries[pattern] = matches, value

    def remove(self, pattern: bytes) -> None:
        """Forget a pattern, if it is there."""
        self._entries.pop(pattern, None)

    def items(self) -> list[tuple[bytes, Value]]:
        """All patterns with their values."""
        return [(pattern, value) for pattern, (_, value) in self._entries.items()]

    def matching(self, channel: bytes) -> list[tuple[bytes, Value]]:
        """The patterns that match `channel`, with their values."""
        return [
            (pattern, value)
            for pattern, (matches, value) in self._entries.items()
            if matches(channel)
        ]


class SubscriberCounts:
    """How many connections are subscribed to each channel and pattern."""

    __slots__ = ("_channels", "_patterns", "_shard_channels")

    def __init__(self) -> None:
        self._channels: dict[bytes, int] = {}
        self._patterns: Patterns[int] = Patterns()
        self._shard_channels: dict[bytes, int] = {}

    def change(self, counts: Mapping[str, Mapping[bytes, int]]) -> None:
        """Take over counts that have changed; they are absolute numbers."""
        _overwrite(self._channels, counts.get(CHANNELS, {}))
        _overwrite(self._shard_channels, counts.get(SHARD_CHANNELS, {}))
        for pattern, count in counts.get(PATTERNS, {}).items():
            if count:
                self._patterns.set(pattern, count)
            else:
                self._patterns.remove(pattern)

    def receivers(self, channel: bytes, is_sharded: bool = False) -> int:
        """How often a message to `channel` is delivered; patterns see no shard channels."""
        if is_sharded:
            return self._shard_channels.get(channel, 0)
        matching = self._patterns.matching(channel)
        return self._channels.get(channel, 0) + sum(count for _, count in matching)


class AllSubscribers:
    """The counts of all network processes; each tells those of its own connections."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[int, SubscriberCounts] = {}

    def change(self, process: int, counts: Mapping[str, Mapping[bytes, int]]) -> None:
        """Take over counts of a process that have changed; they are absolute numbers."""
        self._counts.setdefault(process, SubscriberCounts()).change(counts)

    def forget(self, process: int) -> None:
        """A process has ended, and its connections with it."""
        self._counts.pop(process, None)

    def receivers(self, channel: bytes, is_sharded: bool = False) -> int:
        """How often a message to `channel` is delivered."""
        return sum(each.receivers(channel, is_sharded) for each in self._counts.values())


def _overwrite(counts: dict[bytes, int], changed: Mapping[bytes, int]) -> None:
    for name, count in changed.items():
        if count:
            counts[name] = count
        else:
            counts.pop(name, None)
