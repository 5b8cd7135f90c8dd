"""Telling the network runtime which keys have changed that a client may have cached (pure).

A run with the flag TRACKED is watched by `Tracker.read`: the keys of its commands that only read
are remembered for its connection. Where a command of a script or a transaction reads, its keys are
remembered, not those that the script declares (as since Redis 7.2). Changes come from the observer
of the keyspace, by `touched` and `flushed`; what they mean for whom leaves as an event, so not
before the change is durable.

Whether a connection tracks at all, by keys or by prefixes (BCAST), with which options and where it
wants to be told, the network runtime knows. It says whether somebody tracks, and whether somebody
does by prefixes, because then it has to be told of every change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from kiwi_engine.channel.events import Event, Flushed, Invalidated
from kiwi_engine.commands.key_positions import key_positions
from kiwi_engine.commands.resolve import find
from kiwi_engine.commands.tracking.tracked_keys import TrackedKeys

# They declare keys; what they read are the keys of the commands that they call.
_SCRIPTS: Final = frozenset(("eval_ro", "evalsha_ro", "fcall_ro"))
_NOBODY: Final = 0
# About a millisecond.
_KEYS_AT_ONCE: Final = 2000


class Tracker:
    """Owned by the executor; only the executing thread touches it.

    `emit` takes events. `on_use` is told whether changes matter to anybody. `reader` is the
    connection whose run is being executed, if that run is TRACKED, else 0; `by` is the one whose
    run it is, as far as it matters, and 0 in the background.
    """

    def __init__(self) -> None:
        self.emit: Callable[[Event], None] = lambda event: None
        self.on_use: Callable[[bool], None] = lambda is_used: None
        self.keys = TrackedKeys()
        self.reader = _NOBODY
        self.by = _NOBODY
        self._has_users = self._follows_all = False
        self._is_used = False

    def begin(self, source: int) -> None:
        """A TRACKED run of `source` begins; in a transaction that may be before it tracks."""
        self.reader = source
        self._use(True)

    def end(self) -> None:
        """It is over."""
        self.reader = _NOBODY

    def follow(self, anybody: bool, all_keys: bool) -> None:
        """From now on somebody tracks, and somebody by prefixes; or not."""
        self._has_users, self._follows_all = anybody, all_keys
        if anybody:
            self._use(True)

    def maintain(self) -> None:
        """To be called some times a second, while a group is open."""
        self.keys.sweep(_KEYS_AT_ONCE)
        self._shrink(_KEYS_AT_ONCE)
        if not (self._has_users or self.keys):
            self._use(False)

    def _use(self, is_used: bool) -> None:
        if is_used != self._is_used:
            self._is_used = is_used
            self.on_use(is_used)

    def read(self, words: Sequence[bytes]) -> None:
        """A command of the run under way was executed, whether or not it succeeded."""
        if self.reader:
            keys = read_keys(words)
            if keys:
                self.keys.remember(self.reader, keys)
                # Twice as many, in order to catch up where the bound was lowered.
                self._shrink(2 * len(keys))

    def _shrink(self, count_max: int) -> None:
        """Take out keys for which there is no room."""
        for key, readers in islice(self.keys.excess(), count_max):
            self.emit(Invalidated(key, readers, _NOBODY))

    def touched(self, key: bytes, *, has_expired: bool) -> None:
        """`key` was changed in some database, or has expired, which nobody did."""
        readers = self.keys.touched(key)
        if readers or self._follows_all:
            self.emit(Invalidated(key, readers, _NOBODY if has_expired else self.by))

    def flushed(self) -> None:
        """Databases were emptied or swapped."""
        self.keys.flushed()
        self.emit(Flushed(self.by))


def read_keys(words: Sequence[bytes]) -> list[bytes]:
    """The keys that a command reads and does not change; none if it is another kind of command."""
    resolved = find(list(words))
    if resolved is None:
        return []
    row = resolved.row
    if "readonly" not in row.flags or "pubsub" in row.flags or row.name in _SCRIPTS:
        return []
    return [words[at] for spec in row.keys for at in key_positions(spec, words)]
