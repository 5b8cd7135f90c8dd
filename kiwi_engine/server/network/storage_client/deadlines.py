"""What is given up because its time is over (pure but for the clock of the wall)."""

from __future__ import annotations

from kiwi_engine.channel.statistics import ChannelStatistics
from kiwi_engine.clock import wall_ms
from kiwi_engine.server.network.slots import Slot
from kiwi_engine.server.network.storage_client.admission import Admission
from kiwi_engine.server.network.storage_client.answers import (
    is_blocking,
    is_patience_over,
    when_patience_is_over,
    when_timed_out,
)
from kiwi_engine.server.network.storage_client.credits import Credits
from kiwi_engine.server.network.storage_client.in_flight import InFlight
from kiwi_engine.server.network.storage_client.outbox import Outbox


class Deadlines:
    """Looks at all that is unanswered. Times are of the monotonic clock, in nanoseconds."""

    __slots__ = ("_admission", "_credits", "_in_flight", "_outbox", "_statistics")

    def __init__(
        self,
        bounds: Credits,
        outbox: Outbox,
        in_flight: InFlight,
        admission: Admission,
        statistics: ChannelStatistics,
    ) -> None:
        self._credits = bounds
        self._outbox = outbox
        self._in_flight = in_flight
        self._admission = admission
        self._statistics = statistics

    def expire_sent(self, now_ns: int) -> list[Slot]:
        """Answer the late runs that the storage runtime has, and may carry out all the same."""
        late = self._in_flight.take_late(now_ns)
        for slot in late:
            self._settle(slot, now_ns)
            slot.complete(when_timed_out(slot, sent=True))
        return late

    def expire_unsent(self, now_ns: int) -> list[tuple[Slot, bytes]]:
        """The late runs that were never sent, and what they are to be answered."""
        now_ms = wall_ms()

        def is_late(slot: Slot) -> bool:
            if is_blocking(slot):
                return is_patience_over(slot, now_ns, now_ms)
            return slot.deadline_ns <= now_ns

        answered = []
        for slot in self._outbox.remove_runs(is_late):
            if is_blocking(slot):
                answered.append((slot, when_patience_is_over(slot)))
            else:
                self._settle(slot, now_ns)
                answered.append((slot, when_timed_out(slot, sent=False)))
        return answered

    def _settle(self, slot: Slot, now_ns: int) -> None:
        self._credits.settle(slot)
        self._statistics.timeouts += len(slot.commands)
        self._admission.timed_out(slot, now_ns)
