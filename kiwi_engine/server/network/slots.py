"""The order of a connection's replies (pure).

Each thing that will be answered takes a slot when it is received; replies leave from the front. So
it does not matter who answers, or when: a local command behind a stored one waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from kiwi_engine.channel.frames import RunFlags


class Slot:
    """The place of one reply, or of the replies of one run, in `line`.

    `reply` is None until it is answered. `is_silent` drops it when its turn comes (CLIENT REPLY).
    `action` is called when all earlier replies have left, and completes the slot then or later.
    `convert` makes the reply of what the storage runtime answered, or returns None and completes
    the slot later. The fields from `commands` on
    describe a run for the storage runtime. `begun` are replies to its first commands, which had to
    stay behind earlier ones; `is_returned` says that its other commands are to be sent again.
    """

    __slots__ = (
        "action",
        "arrived_ns",
        "begun",
        "bytes",
        "commands",
        "convert",
        "db",
        "deadline_ns",
        "deaths",
        "flags",
        "is_answered",
        "is_returned",
        "is_silent",
        "line",
        "on_wait",
        "reply",
        "resp3",
        "run_id",
        "sent_ns",
        "user",
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
        self.begun = b""
        self.is_silent = False
        self.is_returned = False
        # The storage runtime has: what it told is, or will be, in the reply.
        self.is_answered = False
        self.deadline_ns = 0
        self.run_id = 0
        # When it was sent the last time, and how many storage runtimes died while it was under way.
        self.sent_ns = 0
        self.deaths = 0
        self.flags = 0
        self.user = ""
        self.arrived_ns = 0
        self.action: Callable[[], None] | None = None
        # Called when it is known that its command waits for other clients.
        self.on_wait: Callable[[], None] | None = None
        self.convert: Callable[[bytes], bytes | None] | None = None

    def complete(self, encoded: bytes) -> None:
        """The reply is here; it leaves as soon as those before it have.

        Whoever completes it has others to serve: what goes wrong here ends this connection only.
        """
        if self.commands:
            self.is_answered = True
        try:
            if self.convert is not None:
                convert, self.convert = self.convert, None
                converted = convert(encoded)
                if converted is None:
                    return
                encoded = converted
            self.reply = self.begun + encoded if self.begun else encoded
            self.line.advance()
        except Exception:  # noqa: BLE001 - logged
            self.line.on_failure()

    def return_rest(self, done: int, encoded: bytes) -> None:
        """Take the replies of its first `done` commands; the others are to be sent again."""
        left = self.commands[done:]
        self.bytes = self.bytes * len(left) // (len(self.commands) or 1)
        self.commands = left
        self.is_returned = True
        if encoded:
            self.line.begin(self, encoded)
        if self.is_returned:
            # It may have been sent again by now, when those replies had left.
            self.line.on_return()

    @property
    def is_unit(self) -> bool:
        """Whether its commands have one reply together."""
        return self.flags & RunFlags.ATOMIC != 0

    def split(self, answers: Sequence[bytes | None]) -> list[Slot]:
        """Answer each command; those without an answer get slots of their own, returned."""
        if not any(answers):
            return [self]
        if self.is_unit:
            self.complete(answers[0] or b"")
            return []
        share = self.bytes // len(self.commands)
        parts = []
        for words, answer in zip(self.commands, answers, strict=True):
            part = Slot(self.line, [words], self.db, self.resp3, share)
            part.is_silent = self.is_silent
            part.deadline_ns = self.deadline_ns
            part.flags, part.user, part.arrived_ns = self.flags, self.user, self.arrived_ns
            part.deaths = self.deaths
            part.reply = answer
            parts.append(part)
        if self.begun:
            parts[0].begun = self.begun
            if answers[0] is not None:
                parts[0].reply = self.begun + answers[0]
        self.line.replace(self, parts)
        return [part for part in parts if part.reply is None]


class ReplyLine:
    """The slots of one connection, oldest first; `write` takes what may leave.

    `source` is the number of the connection; `runs_owed` counts the runs that the storage runtime
    has not answered, and belongs to the `StorageClient`. `holds_messages` says that messages are to
    follow the next reply, too. `on_return` is called when one of them has come back to be sent
    again, `on_given_up` when some were answered that the storage runtime has not answered,
    `on_failure` while an exception is handled that ends the connection.
    """

    __slots__ = (
        "_behind",
        "_is_acting",
        "_slots",
        "holds_messages",
        "on_failure",
        "on_given_up",
        "on_return",
        "runs_owed",
        "source",
        "write",
    )

    def __init__(self, write: Callable[[bytes], None], source: int = 0) -> None:
        self._slots: deque[Slot] = deque()
        # What follows the next reply.
        self._behind: list[bytes] = []
        self._is_acting = False
        self.holds_messages = False
        self.source = source
        self.runs_owed = 0
        self.write = write
        self.on_return = _ignore
        self.on_given_up = _ignore
        self.on_failure = _raise_again

    def __len__(self) -> int:
        return len(self._slots)

    def append(self, slot: Slot) -> None:
        self._slots.append(slot)

    def advance(self) -> None:
        """Let all replies at the front leave."""
        slots = self._slots
        while slots:
            slot = slots[0]
            encoded = slot.reply
            if encoded is None:
                if slot.action is None or self._is_acting:
                    return
                # It may complete the slot, and come here once more by that; but it is from here
                # that the next action is called, however many there are in a row.
                action, slot.action = slot.action, None
                self._is_acting = True
                try:
                    action()
                finally:
                    self._is_acting = False
                continue
            slots.popleft()
            # A silent one too: whoever writes may be waiting for the last reply.
            self.write(b"" if slot.is_silent else encoded)
            if self._behind:
                self._write_behind()

    def begin(self, slot: Slot, encoded: bytes) -> None:
        """Let replies to the first commands of `slot` leave, as soon as those before it have."""
        slot.begun += encoded
        if self._slots[0] is slot:
            encoded, slot.begun = slot.begun, b""
            self.write(b"" if slot.is_silent else encoded)

    def take_returned(self) -> list[Slot]:
        """The slots whose commands are to be sent again, in their order; they are so no more."""
        returned = [slot for slot in self._slots if slot.is_returned]
        for slot in returned:
            slot.is_returned = False
        return returned

    def behind_answers(self, action: Callable[[], None]) -> None:
        """Call `action` when what the storage runtime has answered so far has left.

        That is mostly now; but a reply may have to wait for an earlier one.
        """
        slots = self._slots
        at = len(slots)
        while at and not slots[at - 1].is_answered:
            at -= 1
        if not at:
            action()
            return
        place = Slot(self, [])
        # What comes next goes behind it.
        place.is_answered = True

        def act() -> None:
            action()
            place.complete(b"")

        place.action = act
        slots.insert(at, place)

    def push_behind(self, encoded: bytes) -> None:
        """Write a message when the next reply has left: that of the command under way."""
        self._behind.append(encoded)

    def _write_behind(self) -> None:
        self.holds_messages = False
        behind, self._behind = self._behind, []
        for encoded in behind:
            self.write(encoded)

    def replace(self, slot: Slot, parts: list[Slot]) -> None:
        """Put `parts` where `slot` is."""
        at = self._slots.index(slot)
        self._slots.rotate(-at)
        self._slots.popleft()
        self._slots.extendleft(reversed(parts))
        self._slots.rotate(at)
        self.advance()


def _ignore() -> None:
    """Nobody looks after the line of a test."""


def _raise_again() -> None:
    """Nobody would see the failure otherwise."""
    raise  # noqa: PLE0704 - called while an exception is handled
