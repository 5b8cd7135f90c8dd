"""Runs that were sent and are not answered, and what becomes of them (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kiwi_engine.server.network.lost_runs import (
    GivenUp,
    Touched,
    answers_without_storage,
    still_waiting,
)
from kiwi_engine.server.network.slots import Slot


class Loss(NamedTuple):
    """What becomes of the runs that were under way when a storage runtime died.

    `waiting` surely wait, and go on waiting. `begun_anew` may wait, but only read. `doubtful` are
    those that wait and may have been served. `unanswered` are all others; their commands are
    answered with `answers`, or asked again where that is None. `unsent` have not left, as whole
    frames at least, so they cannot have been executed. `touched` may have been changed by the rest.
    """

    waiting: list[Slot]
    begun_anew: list[Slot]
    doubtful: list[Slot]
    unanswered: list[Slot]
    answers: list[list[bytes | None]]
    unsent: list[Slot]
    touched: Touched


class InFlight:
    """`pending` and `blocked` are by run id, in the order of sending; `blocked` may wait."""

    __slots__ = ("_known_to_wait", "blocked", "given_up", "pending")

    def __init__(self) -> None:
        self.pending: dict[int, Slot] = {}
        self.blocked: dict[int, Slot] = {}
        # Those of `blocked` of which the storage runtime has told that they wait.
        self._known_to_wait: set[int] = set()
        self.given_up = GivenUp()

    def note_wait(self, run_id: int, words: list[bytes]) -> Slot | None:
        """A run has taken nothing so far; if need be it is sent in other words."""
        slot = self.blocked.get(run_id)
        if slot is not None:
            slot.commands = [words]
            self._known_to_wait.add(run_id)
        return slot

    def take_blocked(self, run_id: int) -> Slot | None:
        """A blocking run is answered, or its client is gone."""
        self._known_to_wait.discard(run_id)
        return self.blocked.pop(run_id, None)

    def put_off(self, deadline_ns: int) -> None:
        """No pending run is late before that."""
        for slot in self.pending.values():
            slot.deadline_ns = max(slot.deadline_ns, deadline_ns)

    def take_late(self, now_ns: int) -> list[Slot]:
        """Give up the runs that are past their deadlines."""
        late = [run_id for run_id, slot in self.pending.items() if slot.deadline_ns <= now_ns]
        slots = [self.pending.pop(run_id) for run_id in late]
        for slot in slots:
            self.given_up.add(slot)
        return slots

    def lose(self, unsent: Sequence[Slot]) -> Loss:
        """All of it is lost with a storage runtime; `unsent` cannot have been executed."""
        not_left = set(unsent)
        pending, self.pending = self.pending, {}
        blocked, self.blocked = self.blocked, {}
        known, self._known_to_wait = self._known_to_wait, set()
        kept_back = {*pending.values(), *blocked.values()} & not_left
        touched = self.given_up.take()
        unanswered = [slot for slot in pending.values() if slot not in not_left]
        for slot in unanswered:
            touched.add(slot)
        left = [(run_id, slot) for run_id, slot in blocked.items() if slot not in not_left]
        is_known = {slot: run_id in known for run_id, slot in left}
        kept = still_waiting(list(is_known.items()), touched)
        return Loss(
            waiting=[slot for slot in kept if is_known[slot]],
            begun_anew=[slot for slot in kept if not is_known[slot]],
            doubtful=[slot for _, slot in left if slot not in set(kept)],
            unanswered=unanswered,
            answers=answers_without_storage(unanswered),
            # Without those that were given up, or whose clients are gone.
            unsent=[slot for slot in unsent if slot in kept_back],
            touched=touched,
        )
