"""The order of a connection's replies (pure).

Each thing that will be answered takes a slot when it is received; replies leave from the front. So
it does not matter who answers, or when: a local command behind a stored one waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence


class Slot:
    """The place of one reply, or of the replies of one run, in `line`.

    `reply` is None until it is answered. `is_silent` drops it when its turn comes (CLIENT REPLY).
    The fields from `commands` on describe a run for the storage runtime.
    """

    __slots__ = (
        "bytes",
        "commands",
        "db",
        "deadline_ns",
        "is_silent",
        "line",
        "reply",
        "resp3",
        "run_id",
    )

    def __init__(
        self,
        line: ReplyLine,
        commands: list[list[bytes]],
        db: int = 0,
        resp3: bool = False,
        size: int = 0,
    ) -> None:
        self.line = line
        self.commands = commands
        self.db = db
        self.resp3 = resp3
        self.bytes = size
        self.reply: bytes | None = None
        self.is_silent = False
        self.deadline_ns = 0
        self.run_id = 0

    def complete(self, encoded: bytes) -> None:
        """The reply is here; it leaves as soon as those before it have."""
        self.reply = encoded
        self.line.advance()

    def split(self, answers: Sequence[bytes | None]) -> list[Slot]:
        """Answer each command; those without an answer get slots of their own, returned."""
        if not any(answers):
            return [self]
        share = self.bytes // len(self.commands)
        parts = []
        for words, answer in zip(self.commands, answers, strict=True):
            part = Slot(self.line, [words], self.db, self.resp3, share)
            part.is_silent = self.is_silent
            part.deadline_ns = self.deadline_ns
            part.reply = answer
            parts.append(part)
        self.line.replace(self, parts)
        return [part for part in parts if part.reply is None]


class ReplyLine:
    """The slots of one connection, oldest first; `write` takes what may leave.

    `source` is the number of the connection; `runs_owed` counts the runs that the storage runtime
    has not answered, and belongs to the `StorageClient`.
    """

    __slots__ = ("_slots", "runs_owed", "source", "write")

    def __init__(self, write: Callable[[bytes], None], source: int = 0) -> None:
        self._slots: deque[Slot] = deque()
        self.source = source
        self.runs_owed = 0
        self.write = write

    def __len__(self) -> int:
        return len(self._slots)

    def append(self, slot: Slot) -> None:
        self._slots.append(slot)

    def advance(self) -> None:
        """Let all replies at the front leave."""
        slots = self._slots
        while slots:
            encoded = slots[0].reply
            if encoded is None:
                return
            slot = slots.popleft()
            # A silent one too: whoever writes may be waiting for the last reply.
            self.write(b"" if slot.is_silent else encoded)

    def replace(self, slot: Slot, parts: list[Slot]) -> None:
        """Put `parts` where `slot` is."""
        at = self._slots.index(slot)
        self._slots.rotate(-at)
        self._slots.popleft()
        self._slots.extendleft(reversed(parts))
        self._slots.rotate(at)
        self.advance()
