"""What becomes of runs that were sent to a storage runtime which died (pure).

A read is asked again, a write is answered UNKNOWN: it may have been made, and is never repeated. A
command that is known to wait for other clients goes on waiting with the next storage runtime. What
it waits for leaves in the same group as the write that woke it, so it can only have been served,
and the reply been lost, if that write was never answered either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from kiwi_engine.commands.key_positions import key_positions
from kiwi_engine.commands.registry import lookup
from kiwi_engine.errors import UnknownOutcomeError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.slots import ReplyLine, Slot

UNKNOWN_OUTCOME: Final = reply.error(UnknownOutcomeError("the storage runtime did not answer").text)
READ_TOO_LATE: Final = reply.error(
    "TIMEOUT the storage runtime stopped before it answered, and a later write may have been made"
)
# Of runs that were given up; beyond that it could be any key.
_KEYS_MAX: Final = 100_000
# COPY source destination; with options it may be to another database.
_COPY_WORDS: Final = 3


class Touched:
    """The keys, by database, that unanswered writes may have changed; `everything`: any key."""

    __slots__ = ("everything", "keys")

    def __init__(self) -> None:
        self.everything = False
        self.keys: set[tuple[int, bytes]] = set()

    def add(self, slot: Slot) -> None:
        """A run that may have been executed."""
        for words in slot.commands:
            command = lookup(words[0])
            if command is None or not command.is_write:
                continue
            keys = [words[at] for spec in command.keys for at in key_positions(spec, words)]
            # No keys, e.g. FLUSHALL, or any, as of a script, or SELECT in front of it.
            if not keys or command.group == "scripting" or slot.is_unit:
                self.everything = True
            if command.name == "move" or (command.name == "copy" and len(words) > _COPY_WORDS):
                self.everything = True
            self.keys.update((slot.db, key) for key in keys)

    def includes(self, db: int, key: bytes) -> bool:
        """Whether this key may have been changed."""
        return self.everything or (db, key) in self.keys


def is_read(words: list[bytes]) -> bool:
    """Whether a command can be repeated without harm."""
    command = lookup(words[0])
    return command is not None and not command.is_write


class GivenUp:
    """Runs whose clients were told that the time is over, and that may be executed all the same.

    Known by number until the storage runtime answers them after all; what they may have changed is
    kept until none is left.
    """

    __slots__ = ("_runs", "_touched")

    def __init__(self) -> None:
        self._runs: set[int] = set()
        self._touched = Touched()

    def add(self, slot: Slot) -> None:
        """It was sent, and is not waited for any more."""
        self._runs.add(slot.run_id)
        self._touched.add(slot)
        if len(self._touched.keys) > _KEYS_MAX:
            self._touched.everything = True
            self._touched.keys.clear()

    def answered(self, run_id: int) -> None:
        """An answer has come that may be for one of them."""
        self._runs.discard(run_id)
        if not self._runs:
            self._touched = Touched()

    def take(self) -> Touched:
        """What they may have changed, when there will be no answers any more."""
        touched, self._touched = self._touched, Touched()
        self._runs.clear()
        return touched


def still_waiting(blocked: Iterable[tuple[Slot, bool]], touched: Touched) -> list[Slot]:
    """Those of the runs that may wait which have surely not been served.

    Each comes with whether it is known to wait. What the others may have changed is added to
    `touched`: one that was served may have woken others. A read has changed nothing, so that it can
    begin anew in any case.
    """
    waiting: list[Slot] = []
    for slot, is_known in blocked:
        if is_known or is_read(slot.commands[0]):
            waiting.append(slot)
        else:
            touched.add(slot)
    while served := [slot for slot in waiting if _may_have_been_served(slot, touched)]:
        waiting = [slot for slot in waiting if not _may_have_been_served(slot, touched)]
        for slot in served:
            touched.add(slot)
    return waiting


def _may_have_been_served(slot: Slot, touched: Touched) -> bool:
    words = slot.commands[0]
    if is_read(words):
        return False
    # All of its words, because those of its keys are among them.
    return touched.everything or any(touched.includes(slot.db, word) for word in words[1:])


def answers_without_storage(slots: Sequence[Slot]) -> list[list[bytes | None]]:
    """What the commands of runs that were never answered are answered.

    None: to be asked again. Not so a read in front of a write of its own connection: that write may
    have been made, and the read would show it. A transaction has one answer.
    """
    writers: set[ReplyLine] = set()
    found: list[list[bytes | None]] = []
    for slot in reversed(slots):
        if slot.is_unit and not all(map(is_read, slot.commands)):
            writers.add(slot.line)
            found.append([UNKNOWN_OUTCOME])
            continue
        answers: list[bytes | None] = []
        for words in reversed(slot.commands):
            if not is_read(words):
                writers.add(slot.line)
                answers.append(UNKNOWN_OUTCOME)
            else:
                answers.append(READ_TOO_LATE if slot.line in writers else None)
        found.append(answers[:1] if slot.is_unit else answers[::-1])
    return found[::-1]
