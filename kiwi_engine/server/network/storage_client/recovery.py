"""What is done about the runs that a dead storage runtime leaves behind (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from kiwi_engine.channel.statistics import ChannelStatistics
from kiwi_engine.server.network.lost_runs import UNKNOWN_OUTCOME, Touched
from kiwi_engine.server.network.slots import Slot
from kiwi_engine.server.network.storage_client.answers import RETRIED_TOO_OFTEN
from kiwi_engine.server.network.storage_client.credits import Credits
from kiwi_engine.server.network.storage_client.in_flight import InFlight
from kiwi_engine.server.network.storage_client.outbox import Outbox
from kiwi_engine.server.network.storage_client.retry import RetryPolicy


class Recovery:
    """Answers what cannot be asked again, and puts the rest back into the outbox."""

    __slots__ = ("_credits", "_in_flight", "_outbox", "_retry", "_statistics")

    def __init__(
        self,
        bounds: Credits,
        outbox: Outbox,
        in_flight: InFlight,
        retry: RetryPolicy,
        statistics: ChannelStatistics,
    ) -> None:
        self._credits = bounds
        self._outbox = outbox
        self._in_flight = in_flight
        self._retry = retry
        self._statistics = statistics

    def lose(self, unsent: Sequence[Slot]) -> Touched:
        """The storage runtime has died; runs that are `unsent` cannot have been executed.

        Returns what may have been changed without a word.
        """
        loss = self._in_flight.lose(unsent)
        self._statistics.failures += len(loss.unanswered)
        retried: list[Slot] = []
        for slot, answers in zip(loss.unanswered, loss.answers, strict=True):
            self._credits.settle(slot)
            retried += [part for part in slot.split(answers) if self._may_ask_again(part)]
        for slot in retried:
            self._credits.owe(slot)
        retried += [slot for slot in loss.begun_anew if self._may_ask_again(slot)]
        # In front of all: they were there before what comes now.
        self._outbox.put_first([*loss.waiting, *loss.unsent])
        self._delay(retried)
        for slot in loss.doubtful:
            slot.complete(UNKNOWN_OUTCOME)
        return loss.touched

    def _may_ask_again(self, slot: Slot) -> bool:
        """Whether a read is asked once more; if not it is answered."""
        slot.deaths += 1
        if self._retry.may_retry(slot.deaths):
            self._statistics.retries += len(slot.commands)
            return True
        slot.complete(RETRIED_TOO_OFTEN * (1 if slot.is_unit else len(slot.commands)))
        return False

    def _delay(self, slots: list[Slot]) -> None:
        """Let the connections of these runs wait, with all that they have sent behind them."""
        delayed = self._outbox.delayed
        delayed.stop()
        for slot in slots:
            delayed.hold(slot.line, self._retry.pause_ns(slot.deaths))
        self._outbox.collect_delayed()
        self._outbox.put_first(slots)
