"""How much may be submitted and unanswered, and who is told to stop reading (pure).

Above the high-water mark, the bound, a connection that submits is told to stop reading; at half of
it all go on, and each of them as soon as its own runs are answered: those who read are served, a
run at a time, while the channel is full of writes of others that may have to wait long.
"""

from __future__ import annotations

from collections.abc import Callable

from kiwi_engine.server.network.slots import ReplyLine, Slot


class Credits:
    """Requests are commands. `clock` tells nanoseconds, for how long somebody is held back."""

    __slots__ = (
        "_clock",
        "_held_back",
        "_since_ns",
        "bytes",
        "bytes_max",
        "on_relief",
        "requests",
        "requests_max",
    )

    def __init__(self, clock: Callable[[], int]) -> None:
        self.requests = 0
        self.bytes = 0
        self.requests_max = 1
        self.bytes_max = 1
        self._clock = clock
        # How to let the connections go on that were told to stop reading, and since when there are
        # such connections.
        self._held_back: dict[ReplyLine, list[Callable[[], None]]] = {}
        self._since_ns = 0
        # Told how long there were such connections, when there are none any more.
        self.on_relief: Callable[[int], None] = lambda duration_ns: None

    def owe(self, slot: Slot) -> bool:
        """A run is to be answered from now on; False if its connection should stop reading."""
        self.requests += len(slot.commands)
        self.bytes += slot.bytes
        slot.line.runs_owed += 1
        return self.requests < self.requests_max and self.bytes < self.bytes_max

    def settle(self, slot: Slot) -> None:
        """A run is answered, or about to be."""
        self.requests -= len(slot.commands)
        self.bytes -= slot.bytes
        line = slot.line
        line.runs_owed -= 1
        if self._held_back and not line.runs_owed:
            self._go_on(self._held_back.pop(line, []))

    def when_relieved(self, line: ReplyLine, resume: Callable[[], None]) -> None:
        """Call `resume` below the low-water mark, or once no run of `line` is unanswered."""
        if not self._held_back:
            self._since_ns = self._clock()
        self._held_back.setdefault(line, []).append(resume)

    def relieve(self) -> None:
        """To be called when runs were settled."""
        if (
            self._held_back
            and self.requests <= self.requests_max // 2
            and self.bytes <= self.bytes_max // 2
        ):
            held_back, self._held_back = self._held_back, {}
            self._go_on([resume for resumes in held_back.values() for resume in resumes])

    def _go_on(self, resumes: list[Callable[[], None]]) -> None:
        if resumes and not self._held_back:
            self.on_relief(self._clock() - self._since_ns)
        for resume in resumes:
            resume()

    @property
    def held_back(self) -> int:
        """How many connections are told not to read."""
        return len(self._held_back)

    def held_back_ns(self) -> int:
        """For how long there have been such connections by now; 0: there are none."""
        return self._clock() - self._since_ns if self._held_back else 0
