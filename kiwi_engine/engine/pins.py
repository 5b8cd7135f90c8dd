"""Who still looks at old files: snapshots, iterators, reads, backups (shell; any thread).

A file that nothing new points to may still be read through a view that was taken earlier. So its
removal is dated: `now()` is asked once the last pointer to it is gone from what new views show, and
the file may go when every pin that is older than that moment has been released.

    pin = pins.take("snapshot") ... pin.release()        a view
    moment = pins.now() ... pins.is_past(moment)          a removal

**Interrupts.** Ctrl-C may end a program's call between the taking of a pin and whatever would have
released it. So a pin that nobody holds counts as released; and where others wait for it, its holder
has made it before it is opened:

    pin = Pin("read")
    try:
        with the engine's lock: pins.open(pin)
        ...
    finally:
        pin.is_open = False     # no call: nothing can come between
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator
from typing import Final, Literal
from weakref import ref

PinKind = Literal["snapshot", "iterator", "read", "backup"]

# With fewer entries than this, nobody looks for released ones behind the oldest pin.
_ENTRIES_KEPT: Final = 64


class Pin:
    """A view is open since `moment`, as long as `is_open` and as long as anybody holds the pin."""

    __slots__ = ("__weakref__", "is_open", "kind", "moment")

    def __init__(self, kind: PinKind) -> None:
        self.kind: Final = kind
        self.moment = 0
        self.is_open = False

    def release(self) -> None:
        """Let the files go; for good. Releasing it twice is harmless."""
        self.is_open = False

    def __enter__(self) -> Pin:
        return self

    def __exit__(self, *details: object) -> None:
        self.is_open = False


class Pins:
    """The open views of one engine."""

    def __init__(self) -> None:
        # Guards all below; never held while anything else happens.
        self._lock = threading.Lock()
        self._moment = 0
        # The oldest first. Released ones stay here until they are met.
        self._entries: deque[ref[Pin]] = deque()
        self._entries_max = _ENTRIES_KEPT

    def take(self, kind: PinKind) -> Pin:
        """Keep every file that is reachable now, until the pin is released or dropped."""
        pin = Pin(kind)
        self.open(pin)
        return pin

    def open(self, pin: Pin) -> None:
        """`take` for a pin that was made before; to be opened once."""
        with self._lock:
            if len(self._entries) >= self._entries_max:
                self._entries = deque(ref(pin) for pin in self._alive())
                self._entries_max = 2 * len(self._entries) + _ENTRIES_KEPT
            pin.moment = self._moment
            pin.is_open = True
            self._entries.append(ref(pin))

    def now(self) -> int:
        """A moment: later than all pins taken so far, earlier than all that will be taken."""
        with self._lock:
            self._moment += 1
            return self._moment

    def is_past(self, moment: int) -> bool:
        """Whether all pins that are older than `moment` have been released."""
        with self._lock:
            oldest = next(self._alive(), None)
            return oldest is None or oldest.moment >= moment

    def counts(self) -> dict[str, int]:
        """Open pins by kind, for statistics."""
        with self._lock:
            return dict(Counter(pin.kind for pin in self._alive()))

    def _alive(self) -> Iterator[Pin]:
        """Under the lock: those that are open, the oldest first."""
        for entry in self._entries:
            pin = entry()
            if pin is not None and pin.is_open:
                yield pin
