"""The network runtime's end of the channel (shell: event loop).

    submit(slot, ..) -> outbox ----> frames, as long as the link takes them ---> storage runtime
    slot.complete(..) <- in flight <- one frame of replies <-------------------

It obeys its pure parts: `Credits` says who has to stop reading, `Outbox` what leaves next,
`InFlight` what is lost with a storage runtime, `RetryPolicy` how long a read then waits, and
`CircuitBreaker` when requests are refused at once.

Only what the kernel has taken, as whole frames, may have been executed. All else is kept, and sent
to the next storage runtime should this one die. What was taken and not answered is asked again if
it only reads and its connection had sent no write behind it; a write is answered `UNKNOWN`, because
it may have been made: it is never repeated.

A run that may wait for other clients (BLPOP) has no deadline but its own and holds no credits. When
the storage runtime dies it goes on waiting with the next one, unless a write that was never
answered may have woken it: `server.network.lost_runs` says what becomes of what. While a script
runs that the storage runtime calls slow, no request is late: all others are answered BUSY, or wait
behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, Protocol

from kiwi_engine.channel.circuit_breaker import CircuitBreaker
from kiwi_engine.channel.events import EVENT_RUN, Event, ScriptIsSlow, Waits, decode_event
from kiwi_engine.channel.frames import Request, Run, RunFlags
from kiwi_engine.channel.numbering import SOLE, Numbering
from kiwi_engine.channel.queries import PING
from kiwi_engine.channel.returned_runs import decode_returned, is_returned
from kiwi_engine.channel.statistics import ChannelStatistics
from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ChannelClosedError, KiwiError
from kiwi_engine.server.network.lost_runs import Touched
from kiwi_engine.server.network.slots import ReplyLine, Slot
from kiwi_engine.server.network.storage_client.admission import Admission
from kiwi_engine.server.network.storage_client.answers import (
    ends_watch,
    is_blocking,
    when_refused,
)
from kiwi_engine.server.network.storage_client.credits import Credits
from kiwi_engine.server.network.storage_client.deadlines import Deadlines
from kiwi_engine.server.network.storage_client.facts import channel_facts
from kiwi_engine.server.network.storage_client.in_flight import InFlight
from kiwi_engine.server.network.storage_client.outbox import Frame, Outbox
from kiwi_engine.server.network.storage_client.questions import Questions
from kiwi_engine.server.network.storage_client.recovery import Recovery, lines_of
from kiwi_engine.server.network.storage_client.retry import RetryPolicy

# What a new storage runtime is told first, as queries: (method, parameters).
Greeting = Callable[[], Iterable[tuple[str, dict[str, Any]]]]


class Link(Protocol):
    """Carries requests to a storage runtime; replies come back through `StorageClient.receive`.

    `is_full`: it takes nothing now, and calls `on_drained` when it does again. `is_cut_off`: the
    kernel has not taken the end of the frame that was sent last. `is_full` holds then, too.
    """

    on_drained: Callable[[], None]

    @property
    def is_full(self) -> bool: ...

    @property
    def is_cut_off(self) -> bool: ...

    def send(self, request: Request) -> None: ...


class StorageClient:
    """One storage runtime (one shard), whichever process it is in at the moment."""

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        random: Random | None = None,
        numbering: Numbering = SOLE,
    ) -> None:
        self._loop = loop
        self._link: Link | None = None
        self._is_flush_scheduled = False
        self._next_id = numbering.first
        self._id_step = numbering.count
        self.statistics = ChannelStatistics()
        self.credits = Credits(monotonic_ns)
        self.credits.on_relief = self._note_relief
        self.outbox = Outbox()
        self.in_flight = InFlight()
        self.breaker = CircuitBreaker()
        self._admission = Admission(self.breaker)
        self._deadlines = Deadlines(
            self.credits, self.outbox, self.in_flight, self._admission, self.statistics
        )
        self._retry = RetryPolicy(random or Random())
        self._recovery = Recovery(
            self.credits, self.outbox, self.in_flight, self._retry, self.statistics
        )
        self._questions = Questions(loop, numbering)
        # The runs of a frame whose end the kernel may not have taken yet.
        self._leaving: Sequence[Slot] = ()
        self._delay_timer: asyncio.TimerHandle | None = None
        # A script is running that may take as long as it likes.
        self.is_held_up = False
        self._greetings: list[Greeting] = []
        # What is done with events, and when a storage runtime has died: events are lost with it.
        self.on_event: Callable[[Event], None] = lambda event: None
        self.on_loss: Callable[[Touched], None] = lambda touched: None
        # `agree` calls what it is given when the next storage runtime may be used, and `on_use` is
        # called when it is.
        self.agree: Callable[[Callable[[], None]], None] = lambda go: go()
        self.on_use: Callable[[], None] = lambda: None
        self._arriving: Link | None = None
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take over the run-time settings."""
        self.credits.requests_max = settings.channel_buffer_size
        self.credits.bytes_max = settings.channel_buffer_bytes
        self._timeout_ns = settings.request_timeout * 1_000_000
        self._retry.configure(settings.retry_backoff * 1_000_000, settings.read_retries_max)
        self.breaker.configure(
            settings.breaker_failures, settings.breaker_reset_timeout * 1_000_000, self._timeout_ns
        )

    @property
    def is_connected(self) -> bool:
        return self._link is not None

    @property
    def unanswered(self) -> int:
        """Requests that were submitted and have no reply yet."""
        return self.credits.requests

    # ---- runs

    def submit(self, slot: Slot, now_ns: int) -> bool:
        """Queue a run received at `now_ns`; False if its connection should stop reading.

        The connection goes on when told so (see `when_relieved`).
        """
        if not (self.breaker.is_closed or self._admission.admits(slot, now_ns)):
            self._refuse(slot)
            return True
        slot.deadline_ns = now_ns + self._timeout_ns
        self.outbox.add(slot)
        if not self._is_flush_scheduled:
            self._schedule_flush()
        return self.credits.owe(slot)

    def submit_blocking(self, slot: Slot) -> None:
        """Queue a run that may wait for other clients; also while requests are refused."""
        slot.flags |= RunFlags.BLOCKING
        self.outbox.add(slot)
        self._schedule_flush()

    def forget(self, source: int, slot: Slot | None = None) -> None:
        """A connection has ended; `slot` is the run of it that waits, if one does."""
        if slot is not None and self.in_flight.take_blocked(slot.run_id) is None:
            self.outbox.remove_runs(lambda each: each is slot)
        if self._link is not None or self.outbox or self.outbox.delayed.lines:
            self.outbox.depart(source)
            self._schedule_flush()

    def note_wait(self, event: Waits) -> None:
        """The command of a run has taken nothing so far."""
        slot = self.in_flight.note_wait(event.run, event.words)
        if slot is not None and slot.on_wait is not None:
            slot.on_wait()

    def note_script(self, event: ScriptIsSlow) -> None:
        """Stop the clocks of what is sent while a slow script runs; they begin anew behind it."""
        self.is_held_up = event.is_slow
        if not event.is_slow:
            self.in_flight.put_off(monotonic_ns() + self._timeout_ns)

    def when_relieved(self, line: ReplyLine, resume: Callable[[], None]) -> None:
        """Call `resume` below the low-water mark, or once no run of `line` is unanswered."""
        self.credits.when_relieved(line, resume)
        self.statistics.backpressure_events += 1

    def _note_relief(self, duration_ns: int) -> None:
        self.statistics.backpressure_ns += duration_ns

    def _refuse(self, slot: Slot) -> None:
        self.statistics.refused += len(slot.commands)
        self._complete_unexecuted(slot, when_refused(slot))

    def _complete_unexecuted(self, slot: Slot, encoded: bytes) -> None:
        """Answer a run that did not get to the storage runtime.

        An EXEC ends what WATCH began, whether it is run or not; there this is not known.
        """
        if ends_watch(slot):
            self.tell_in_order("unwatch", {"sources": [slot.line.source]})
        slot.complete(encoded)

    # ---- frames out

    def _schedule_flush(self) -> None:
        """Once an event-loop tick, however many ask for it."""
        if not self._is_flush_scheduled:
            self._is_flush_scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Send all that is queued, as far as the link takes it."""
        self._is_flush_scheduled = False
        link = self._link
        while link is not None and not link.is_full:
            frame = self.outbox.next_frame()
            if frame is None:
                return
            self._send(link, frame)

    def _send(self, link: Link, frame: Frame) -> None:
        slots = frame.slots
        now_ns = monotonic_ns()
        pending, blocked = self.in_flight.pending, self.in_flight.blocked
        runs = []
        identity, step = self._next_id, self._id_step
        arrived_ns, count = 0, -len(pending)
        for slot in slots:
            slot.run_id = identity
            slot.sent_ns = now_ns
            if slot.flags & RunFlags.BLOCKING:
                blocked[identity] = slot
            else:
                pending[identity] = slot
                arrived_ns += slot.arrived_ns
            runs.append(run_of(slot))
            identity += step
        self._next_id = identity
        statistics = self.statistics
        statistics.frames += 1
        statistics.sent += frame.commands
        statistics.queries += len(frame.queries) + len(frame.urgent)
        statistics.unanswered(self.credits.requests, self.credits.bytes)
        count += len(pending)
        if count:
            statistics.in_queue.record_ns(count * now_ns - arrived_ns, count)
        link.send(Request(runs, frame.queries, frame.gone, frame.urgent))
        self._leaving = slots if link.is_cut_off else ()

    def _drained(self) -> None:
        """The link takes frames again."""
        self._leaving = ()
        self._flush()

    # ---- frames in

    def receive(
        self, replies: list[tuple[int, bytes]], answers: list[tuple[int, str, Any]]
    ) -> None:
        """Take one frame of replies; those that nobody waits for any more are dropped."""
        pending, settle = self.in_flight.pending, self.credits.settle
        events: list[bytes] = []
        now_ns = monotonic_ns()
        # Of the runs that left in one frame, which are answered one after the other.
        count = sent_ns = answered = 0
        for run_id, blob in replies:
            slot = pending.pop(run_id, None)
            if slot is not None:
                settle(slot)
                if slot.sent_ns != sent_ns:
                    self._note_answers(count, now_ns - sent_ns)
                    count, sent_ns = 0, slot.sent_ns
                count += 1
                answered += len(slot.commands)
                slot.complete(blob)
            elif run_id == EVENT_RUN:
                events.append(blob)
            else:
                self._receive_special(run_id, blob)
        self._note_answers(count, now_ns - sent_ns)
        self.statistics.received += answered
        if self.breaker.is_in_doubt and len(replies) > len(events):
            self.breaker.answered()
        # Behind the replies: what a client has read is in front of what makes it stale.
        for encoded in events:
            self.on_event(decode_event(encoded))
        for query_id, error, result in answers:
            self._questions.answered(query_id, error, result)
        self.credits.relieve()

    def _note_answers(self, count: int, each_ns: int) -> None:
        if count:
            self.statistics.in_storage.record_ns(count * each_ns, count)

    def _receive_special(self, run_id: int, blob: bytes) -> None:
        """An answer to something else than a pending run."""
        if is_returned(run_id):
            self._take_back(run_id, blob)
        elif (slot := self.in_flight.take_blocked(run_id)) is not None:
            self.statistics.received += 1
            slot.complete(blob)
        else:
            self.in_flight.given_up.answered(run_id)

    def _take_back(self, run_id: int, encoded: bytes) -> None:
        """A run was executed in part, or not at all, because its client is to read first."""
        identity, done, replies = decode_returned(run_id, encoded)
        slot = self.in_flight.pending.pop(identity, None)
        if slot is not None:
            self.credits.settle(slot)
        else:
            slot = self.in_flight.take_blocked(identity)
        if slot is None:
            self.in_flight.given_up.answered(identity)
        else:
            self.statistics.received += done
            self.statistics.returned += 1
            slot.return_rest(done, replies)

    # ---- queries

    async def query(
        self, method: str, parameters: dict[str, Any], *, is_urgent: bool = False
    ) -> Any:
        """The storage runtime's answer; `KiwiError` if it is down, too slow or refuses.

        An urgent query is answered in front of all that waits, others behind what was submitted.
        """
        is_urgent = is_urgent or method == PING
        if self._link is None:
            raise ChannelClosedError("the storage runtime is not running")
        if not self.breaker.is_closed and method != PING:
            raise KiwiError(f"the storage runtime does not answer: {self.breaker.reason}")
        query, future = self._questions.ask(method, parameters)
        self.outbox.ask(query, is_urgent=is_urgent)
        self._schedule_flush()
        try:
            return await asyncio.wait_for(future, self._timeout_ns / 1e9)
        except TimeoutError:
            raise KiwiError("the storage runtime did not answer in time") from None
        finally:
            if self._questions.is_waited_for(query):
                self._questions.forget(query)
                # Whoever asked is told that it failed: it must not be done after all.
                self.outbox.remove_queries(lambda each: each is query)

    def change_settings(self, changed: dict[str, Any]) -> None:
        """Run what was submitted so far with the old settings, and all else with the new ones.

        A runtime that is down now is started with the new ones.
        """
        self.tell_in_order("config_set", changed)

    def tell_in_order(self, method: str, parameters: dict[str, Any]) -> None:
        """Send a query behind what was submitted so far, and in front of all else.

        Its answer only matters if it is an error, which is logged.
        """
        if self._link is not None and not self.outbox.join(method, parameters):
            self.outbox.tell(self._questions.order(method, parameters))
            self._schedule_flush()

    def facts(self) -> dict[str, Any]:
        """The `channel` section of INFO."""
        return channel_facts(self)

    def reset_statistics(self) -> None:
        """Begin anew, as `CONFIG RESETSTAT` asks for."""
        self.statistics.reset()
        self.breaker.opened_count = 0

    # ---- the storage runtime comes and goes

    def greet(self, greeting: Greeting) -> None:
        """Have the queries of `greeting` sent to each new storage runtime, in front of all else."""
        self._greetings.append(greeting)

    def connect(self, link: Link) -> None:
        """A storage runtime is ready: send what waits for it, as soon as that is agreed."""
        self._arriving = link
        self.agree(lambda: self._use(link))

    def _use(self, link: Link) -> None:
        if self._arriving is not link:
            # It was gone before.
            return
        self._link, self._arriving = link, None
        self.on_use()
        link.on_drained = self._drained
        self.breaker.came_back()
        self.outbox.put_first(
            self._questions.order(method, parameters)
            for greeting in self._greetings
            for method, parameters in greeting()
        )
        self.outbox.delayed.begin(monotonic_ns())
        self._release_delayed()
        self._flush()

    def disconnect(self) -> None:
        """The storage runtime is gone; the module docstring says what becomes of its requests."""
        link, self._link = self._link, None
        self._arriving = None
        if link is None:
            return
        self.is_held_up = False
        self.breaker.went_down(monotonic_ns())
        leaving, self._leaving = self._leaving, ()
        self.outbox.remove_queries(lambda query: True)
        self._questions.fail_all(ChannelClosedError("the storage runtime stopped"))
        touched, lines = self._recovery.lose(leaving if link.is_cut_off else ())
        self.on_loss(touched)
        _give_up(lines)
        self.credits.relieve()

    @property
    def waiting(self) -> Sequence[Slot]:
        """The runs that went on waiting when the last storage runtime died, for all it knew."""
        return self._recovery.waiting

    def doubt(self, touched: Touched) -> None:
        """The last storage runtime may have made these changes, too, without a word."""
        self._recovery.doubt(touched)

    def _wait_for_delayed(self) -> None:
        """Have the first of the delayed connections go on in time."""
        if self._delay_timer is not None:
            self._delay_timer.cancel()
        due_ns = self.outbox.delayed.next_due_ns()
        if due_ns is not None:
            pause_s = max(0, due_ns - monotonic_ns()) / 1e9
            self._delay_timer = self._loop.call_later(pause_s, self._release_delayed)

    def _release_delayed(self) -> None:
        self.outbox.release_due(monotonic_ns())
        self._schedule_flush()
        self._wait_for_delayed()

    # ---- deadlines

    def expire(self, now_ns: int) -> None:
        """Answer what is past its deadline; called about ten times a second."""
        opened_count = self.breaker.opened_count
        unsent = self._deadlines.expire_unsent(now_ns)
        for slot, encoded in unsent:
            self._complete_unexecuted(slot, encoded)
        sent = [] if self.is_held_up else self._deadlines.expire_sent(now_ns)
        _give_up(lines_of([*(slot for slot, _ in unsent), *sent]))
        self.breaker.look(now_ns)
        if self.breaker.opened_count != opened_count:
            self._refuse_unsent()
        self.credits.relieve()

    def _refuse_unsent(self) -> None:
        """The breaker has opened: what waits to be sent waits in vain."""
        refused = self.outbox.remove_runs(lambda slot: not is_blocking(slot))
        for slot in refused:
            self.credits.settle(slot)
            self._refuse(slot)
        _give_up(lines_of(refused))


def _give_up(lines: Iterable[ReplyLine]) -> None:
    for line in lines:
        line.on_given_up()


def run_of(slot: Slot) -> Run:
    """What the storage runtime gets of a slot."""
    return Run(
        slot.run_id,
        0,
        slot.db,
        slot.resp3,
        slot.commands,
        slot.line.source,
        slot.flags,
        slot.user,
        slot.arrived_ns,
    )
