"""Who still looks at old files: snapshots, iterators, reads, backups (shell; any thread).

A file that nothing new points to may still be read through a view that was taken earlier. So its
removal is dated: `now()` is asked once the last pointer to it is gone from what new views show, and
the file may go when every pin that is older than that moment has been released.

    pin = pins.take("snapshot") ... pin.release()        a view
    moment = pins.now() ... pins.is_past(moment)          a removal
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Literal

PinKind = Literal["snapshot", "iterator", "read", "backup"]


class Pin:
    """A view is open since `moment`. Releasing it twice is harmless."""

    __slots__ = ("_pins", "kind", "moment")

    def __init__(self, pins: Pins, kind: PinKind, moment: int) -> None:
        self._pins: Pins | None = pins
        self.kind = kind
        self.moment = moment

    def release(self) -> None:
        pins, self._pins = self._pins, None
        if pins is not None:
            pins._release(self)

    def __enter__(self) -> Pin:
        return self

    def __exit__(self, *details: object) -> None:
        self.release()


class Pins:
    """The open views of one engine."""

    def __init__(self) -> None:
        # Guards both; never held while anything else happens.
        self._lock = threading.Lock()
        self._moment = 0
        self._open: dict[Pin, None] = {}

    def take(self, kind: PinKind) -> Pin:
        """Keep every file that is reachable now, until the pin is released."""
        with self._lock:
            pin = Pin(self, kind, self._moment)
            self._open[pin] = None
            return pin

    def now(self) -> int:
        """A moment: later than all pins taken so far, earlier than all that will be taken."""
        with self._lock:
            self._moment += 1
            return self._moment

    def is_past(self, moment: int) -> bool:
        """Whether all pins that are older than `moment` have been released."""
        with self._lock:
            oldest = next(iter(self._open), None)
            return oldest is None or oldest.moment >= moment

    def counts(self) -> dict[str, int]:
        """Open pins by kind, for statistics."""
        with self._lock:
            return dict(Counter(pin.kind for pin in self._open))

    def _release(self, pin: Pin) -> None:
        with self._lock:
            self._open.pop(pin, None)
