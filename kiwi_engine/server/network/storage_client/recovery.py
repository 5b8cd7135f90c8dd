"""What is done about the runs that a dead storage runtime leaves behind (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kiwi_engine.channel.statistics import ChannelStatistics
from kiwi_engine.server.network.lost_runs import UNKNOWN_OUTCOME, Touched, still_waiting
from kiwi_engine.server.network.slots import ReplyLine, Slot
from kiwi_engine.server.network.storage_client.answers import RETRIED_TOO_OFTEN
from kiwi_engine.server.network.storage_client.credits import Credits
from kiwi_engine.server.network.storage_client.in_flight import InFlight
from kiwi_engine.server.network.storage_client.outbox import Outbox
from kiwi_engine.server.network.storage_client.retry import RetryPolicy


class Recovery:
    """Answers what cannot be asked again, and puts the rest back into the outbox."""

    __slots__ = ("_credits", "_in_flight", "_outbox", "_retry", "_statistics", "waiting")

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
        # The runs that went on waiting when the last storage runtime died.
        self.waiting: list[Slot] = []

    def lose(self, unsent: Sequence[Slot]) -> tuple[Touched, Iterable[ReplyLine]]:
        """The storage runtime has died; runs that are `unsent` cannot have been executed.

        Returns what may have been changed without a word, and whose runs were given up.
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
        self.waiting = loss.waiting
        # In front of all: they were there before what comes now.
        self._outbox.put_first([*loss.waiting, *loss.unsent])
        self._delay(retried)
        for slot in loss.doubtful:
            slot.complete(UNKNOWN_OUTCOME)
        return loss.touched, lines_of(loss.unanswered)

    def doubt(self, touched: Touched) -> None:
        """More may have been changed; to be called in front of the next storage runtime."""
        certain = set(still_waiting([(slot, True) for slot in self.waiting], touched))
        doubtful = {slot for slot in self.waiting if slot not in certain}
        self.waiting = []
        for slot in self._outbox.remove_runs(doubtful.__contains__):
            slot.complete(UNKNOWN_OUTCOME)

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


def lines_of(slots: Iterable[Slot]) -> Iterable[ReplyLine]:
    """Each line once, in the order in which they come."""
    return dict.fromkeys(slot.line for slot in slots)
