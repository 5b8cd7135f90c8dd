"""How many connections of the other network processes are subscribed to what (pure).

The primary keeps this of all its workers: so it alone says how many get a message, and hands it to
those processes only that have subscribers for it.
"""

from __future__ import annotations

from collections.abc import Iterable

from kiwi_engine.commands.publishing import Patterns
from kiwi_engine.server.network.pubsub.registry import Kind

# By the number of the process: how many of its connections are subscribed, never 0.
Counts = dict[int, int]


class RemoteSubscribers:
    """Processes are told apart by their numbers; false while nobody is subscribed to anything."""

    __slots__ = ("_channels", "_patterns")

    def __init__(self) -> None:
        self._channels: dict[Kind, dict[bytes, Counts]] = {
            Kind.CHANNEL: {},
            Kind.SHARD_CHANNEL: {},
        }
        self._patterns: Patterns[Counts] = Patterns()

    def __bool__(self) -> bool:
        return any(self._channels.values()) or len(self._patterns) > 0

    # ---- changes

    def change(self, process: int, kind: Kind, names: Iterable[bytes], by: int) -> None:
        """One connection of `process` has begun (1) or ended (-1) each of these subscriptions."""
        for name in names:
            counts = self._of(kind, name)
            if counts is None:
                counts = {}
                self._put(kind, name, counts)
            count = counts.get(process, 0) + by
            assert count >= 0, "what has ended had begun"
            if count:
                counts[process] = count
            else:
                self._drop(process, kind, name, counts)

    def forget(self, process: int) -> None:
        """The process has ended, and its connections with it."""
        for kind in Kind:
            for name in self.names(kind):
                counts = self._of(kind, name)
                if counts is not None and process in counts:
                    self._drop(process, kind, name, counts)

    # ---- questions

    def receivers(self, kind: Kind, channel: bytes) -> Counts:
        """How often each process delivers a message; patterns see no shard channels."""
        found = dict(self._channels[kind].get(channel, ()))
        if kind is Kind.CHANNEL and self._patterns:
            for _, counts in self._patterns.matching(channel):
                for process, count in counts.items():
                    found[process] = found.get(process, 0) + count
        return found

    def count(self, kind: Kind, name: bytes) -> int:
        """How many are subscribed to a channel or pattern."""
        return sum((self._of(kind, name) or {}).values())

    def names(self, kind: Kind) -> list[bytes]:
        """All channels or patterns that have subscribers."""
        if kind is Kind.PATTERN:
            return [pattern for pattern, _ in self._patterns.items()]
        return list(self._channels[kind])

    def _of(self, kind: Kind, name: bytes) -> Counts | None:
        if kind is Kind.PATTERN:
            return self._patterns.get(name)
        return self._channels[kind].get(name)

    def _put(self, kind: Kind, name: bytes, counts: Counts) -> None:
        if kind is Kind.PATTERN:
            self._patterns.set(name, counts)
        else:
            self._channels[kind][name] = counts

    def _drop(self, process: int, kind: Kind, name: bytes, counts: Counts) -> None:
        counts.pop(process, None)
        if counts:
            return
        if kind is Kind.PATTERN:
            self._patterns.remove(name)
        else:
            del self._channels[kind][name]
