"""The network runtime's end of the channel (shell: event loop).

    submit(slot, ...)  ->  queue  ->  one frame an event-loop tick  ->  storage runtime
    slot.complete(..)  <-  pending <-  one frame of replies          <-

It is bounded in requests and bytes: above the high-water mark the connections that submit are told
to stop reading from their sockets; at half of it they go on, and each of them as soon as all of its
own runs are answered: those who read are served, a run at a time, while the channel is full of
writes of others that may have to wait long. What was not sent when the storage runtime died is sent
to its successor. What was sent and not answered is asked again if it only reads and its connection
had sent no write behind it; a write is answered `UNKNOWN`, because it may have been made: it is
never repeated.

A run that may wait for other clients (BLPOP) has no deadline and holds no credits. When the storage
runtime dies it goes on waiting with the next one, unless a write that was never answered may have
woken it: `server.network.lost_runs` says what becomes of what. While a script runs that the storage
runtime calls slow, no request is late: all others are answered BUSY, or wait behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from kiwi_engine.channel.events import EVENT_RUN, Event, ScriptIsSlow, Waits, decode_event
from kiwi_engine.channel.frames import Query, Request, Run, RunFlags
from kiwi_engine.channel.statistics import ChannelStatistics
from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ChannelClosedError, KiwiError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.lost_runs import (
    UNKNOWN_OUTCOME,
    GivenUp,
    Touched,
    answers_without_storage,
    is_read,
    still_waiting,
)
from kiwi_engine.server.network.slots import ReplyLine, Slot

logger = logging.getLogger(__name__)

TIMED_OUT: Final = reply.error("TIMEOUT the storage runtime did not answer in time")


# What a new storage runtime is told first, as queries: (method, parameters).
Greeting = Callable[[], Iterable[tuple[str, dict[str, Any]]]]


class Link(Protocol):
    """Carries requests to a storage runtime; replies come back through `StorageClient.receive`."""

    def send(self, request: Request) -> None: ...


class StorageClient:
    """One storage runtime (one shard), whichever process it is in at the moment."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self.configure(settings)
        self._loop = loop
        self._link: Link | None = None
        self._flush_scheduled = False
        self._next_id = 1
        self._outgoing: deque[Slot] = deque()
        self._queries: list[Query] = []
        # Sent and not answered, in the order of sending.
        self._pending: dict[int, Slot] = {}
        # Runs that may wait for other clients, sent and not answered, in the order of sending, and
        # those of which it is known that they wait.
        self._blocked: dict[int, Slot] = {}
        self._known_to_wait: set[int] = set()
        self._given_up = GivenUp()
        # A script is running that may take as long as it likes.
        self.is_held_up = False
        # Connections that have ended since the last frame.
        self._gone: list[int] = []
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._greetings: list[Greeting] = []
        self._requests = 0
        self._bytes = 0
        # How to let the connections go on that were told to stop reading.
        self._held_back: dict[ReplyLine, list[Callable[[], None]]] = {}
        self.statistics = ChannelStatistics()
        # What is done with events, and when a storage runtime has died: events are lost with it.
        self.on_event: Callable[[Event], None] = lambda event: None
        self.on_loss: Callable[[Touched], None] = lambda touched: None

    def configure(self, settings: Settings) -> None:
        """Take over the bounds and the request timeout."""
        self._requests_max = settings.channel_buffer_size
        self._bytes_max = settings.channel_buffer_bytes
        self._timeout_ns = settings.request_timeout * 1_000_000

    @property
    def is_connected(self) -> bool:
        return self._link is not None

    @property
    def unanswered(self) -> int:
        """Requests that were submitted and have no reply yet."""
        return self._requests

    # ---- runs

    def submit(self, slot: Slot, now_ns: int) -> bool:
        """Queue a run received at `now_ns`; False if its connection should stop reading.

        The connection goes on when told so (see `when_relieved`).
        """
        slot.deadline_ns = now_ns + self._timeout_ns
        self._outgoing.append(slot)
        self._owe(slot)
        self._schedule_flush()
        return self._requests < self._requests_max and self._bytes < self._bytes_max

    def submit_blocking(self, slot: Slot) -> None:
        """Queue a run that may wait for other clients."""
        slot.flags |= RunFlags.BLOCKING
        self._outgoing.append(slot)
        self._schedule_flush()

    def forget(self, source: int, slot: Slot | None = None) -> None:
        """A connection has ended; `slot` is the run of it that waits, if one does."""
        if slot is not None:
            self._known_to_wait.discard(slot.run_id)
            if self._blocked.pop(slot.run_id, None) is None:
                with contextlib.suppress(ValueError):
                    self._outgoing.remove(slot)
        self._gone.append(source)
        self._schedule_flush()

    def note_wait(self, event: Waits) -> None:
        """The command of a run has taken nothing so far; if need be it is sent in other words."""
        slot = self._blocked.get(event.run)
        if slot is not None:
            slot.commands = [event.words]
            self._known_to_wait.add(event.run)
            if slot.on_wait is not None:
                slot.on_wait()

    def note_script(self, event: ScriptIsSlow) -> None:
        """Stop the clocks of what is sent while a slow script runs; they begin anew behind it."""
        self.is_held_up = event.is_slow
        if not event.is_slow:
            deadline_ns = monotonic_ns() + self._timeout_ns
            for slot in self._pending.values():
                slot.deadline_ns = max(slot.deadline_ns, deadline_ns)

    def when_relieved(self, line: ReplyLine, resume: Callable[[], None]) -> None:
        """Call `resume` below the low-water mark, or once no run of `line` is unanswered."""
        self._held_back.setdefault(line, []).append(resume)
        self.statistics.backpressure_events += 1

    def _relieve(self) -> None:
        if (
            self._held_back
            and self._requests <= self._requests_max // 2
            and self._bytes <= self._bytes_max // 2
        ):
            held_back, self._held_back = self._held_back, {}
            for resumes in held_back.values():
                for resume in resumes:
                    resume()

    def _schedule_flush(self) -> None:
        """One frame an event-loop tick, however many ask for it."""
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Send all that is queued as one frame."""
        self._flush_scheduled = False
        link = self._link
        if link is None or not (self._outgoing or self._queries or self._gone):
            return
        runs = []
        identity = self._next_id
        for slot in self._outgoing:
            slot.run_id = identity
            if slot.flags & RunFlags.BLOCKING:
                self._blocked[identity] = slot
            else:
                self._pending[identity] = slot
            runs.append(run_of(slot))
            identity += 1
        self._next_id = identity
        self._outgoing.clear()
        queries, self._queries = self._queries, []
        gone, self._gone = self._gone, []
        self.statistics.sent(self._requests, self._bytes)
        link.send(Request(runs, queries, gone))

    # ---- replies

    def receive(
        self, replies: list[tuple[int, bytes]], answers: list[tuple[int, str, Any]]
    ) -> None:
        """Take one frame of replies; those that nobody waits for any more are dropped."""
        pending = self._pending
        events: list[bytes] = []
        for run_id, blob in replies:
            slot = pending.pop(run_id, None)
            if slot is not None:
                self._settle(slot)
                self.statistics.received += len(slot.commands)
                slot.complete(blob)
            elif run_id == EVENT_RUN:
                events.append(blob)
            elif (slot := self._blocked.pop(run_id, None)) is not None:
                self._known_to_wait.discard(run_id)
                self.statistics.received += 1
                slot.complete(blob)
            else:
                self._given_up.answered(run_id)
        # Behind the replies: what a client has read is in front of what makes it stale.
        for encoded in events:
            self.on_event(decode_event(encoded))
        for query_id, error, result in answers:
            future = self._waiting.pop(query_id, None)
            if future is not None and not future.done():
                if error:
                    future.set_exception(KiwiError(error))
                else:
                    future.set_result(result)
        self._relieve()

    def _owe(self, slot: Slot) -> None:
        """A run is to be answered from now on."""
        self._requests += len(slot.commands)
        self._bytes += slot.bytes
        slot.line.runs_owed += 1

    def _settle(self, slot: Slot) -> None:
        """A run is answered, or about to be."""
        self._requests -= len(slot.commands)
        self._bytes -= slot.bytes
        line = slot.line
        line.runs_owed -= 1
        if self._held_back and not line.runs_owed:
            for resume in self._held_back.pop(line, ()):
                resume()

    # ---- queries

    async def query(self, method: str, parameters: dict[str, Any]) -> Any:
        """The storage runtime's answer; `KiwiError` if it is down, too slow or refuses."""
        if self._link is None:
            raise ChannelClosedError("the storage runtime is not running")
        identity, future = self._ask(method, parameters)
        self._schedule_flush()
        try:
            return await asyncio.wait_for(future, self._timeout_ns / 1e9)
        except TimeoutError:
            self._waiting.pop(identity, None)
            raise KiwiError("the storage runtime did not answer in time") from None

    def change_settings(self, changed: dict[str, Any]) -> None:
        """Run what was submitted so far with the old settings, and all else with the new ones.

        A runtime that is down now is started with the new ones.
        """
        self.tell_in_order("config_set", changed)

    def tell_in_order(self, method: str, parameters: dict[str, Any]) -> None:
        """Send a query behind what was submitted so far, and in front of all else.

        The storage runtime runs the commands of a frame before it looks at the queries in it, so
        the query has a frame of its own.
        """
        self._flush()
        self.tell(method, parameters)
        self._flush()

    def _ask(self, method: str, parameters: dict[str, Any]) -> tuple[int, asyncio.Future[Any]]:
        """Queue a query; its number and its answer to come."""
        identity, self._next_id = self._next_id, self._next_id + 1
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting[identity] = future
        self._queries.append(Query(identity, method, parameters))
        return identity, future

    def facts(self) -> dict[str, Any]:
        """The `channel` section of INFO."""
        statistics = self.statistics
        return {
            "connected": int(self.is_connected),
            "pending_requests": self.unanswered,
            "pending_bytes": self._bytes,
            "capacity_requests": self._requests_max,
            "capacity_bytes": self._bytes_max,
            "requests_peak": statistics.requests_peak,
            "bytes_peak": statistics.bytes_peak,
            "frames_sent": statistics.frames,
            "requests_answered": statistics.received,
            "connections_held_back": len(self._held_back),
            "backpressure_events": statistics.backpressure_events,
            "timeouts": statistics.timeouts,
            "failures": statistics.failures,
        }

    # ---- the storage runtime comes and goes

    def greet(self, greeting: Greeting) -> None:
        """Have the queries of `greeting` sent to each new storage runtime, in front of all else."""
        self._greetings.append(greeting)

    def tell(self, method: str, parameters: dict[str, Any]) -> None:
        """Queue a query whose answer only matters if it is an error, which is logged."""
        if self._link is not None:
            _, future = self._ask(method, parameters)
            future.add_done_callback(_log_refusal)
            self._schedule_flush()

    def connect(self, link: Link) -> None:
        """A storage runtime is ready: send what waits for it."""
        self._link = link
        waiting, self._outgoing = self._outgoing, deque()
        for greeting in self._greetings:
            for method, parameters in greeting():
                self.tell(method, parameters)
        self._flush()
        self._outgoing = waiting
        self._schedule_flush()

    def disconnect(self) -> None:
        """The storage runtime is gone; the module docstring says what becomes of its requests."""
        self._link = None
        self.is_held_up = False
        pending, self._pending = self._pending, {}
        blocked, self._blocked = self._blocked, {}
        slots = list(pending.values())
        touched = self._given_up.take()
        for slot in slots:
            touched.add(slot)
        known, self._known_to_wait = self._known_to_wait, set()
        waiting = still_waiting([(slot, run in known) for run, slot in blocked.items()], touched)
        retried: list[Slot] = []
        for slot, answers in zip(slots, answers_without_storage(slots), strict=True):
            self._settle(slot)
            retried += slot.split(answers)
        for slot in retried:
            self._owe(slot)
        self._outgoing.extendleft(reversed(retried))
        # In front of all: they were there before what comes now.
        self._outgoing.extendleft(reversed(waiting))
        still = set(map(id, waiting))
        for slot in blocked.values():
            if id(slot) not in still:
                slot.complete(UNKNOWN_OUTCOME)
        self.statistics.failures += len(pending)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ChannelClosedError("the storage runtime stopped"))
        self._waiting.clear()
        # Whoever asked has been told that it failed: it must not be done after all.
        self._queries.clear()
        self.on_loss(touched)
        self._relieve()

    def expire(self, now_ns: int) -> None:
        """Answer what is past its deadline; called about ten times a second."""
        self._expire_unsent(now_ns)
        if self.is_held_up:
            return
        late = []
        for run_id, slot in self._pending.items():
            if slot.deadline_ns > now_ns:
                break
            late.append(run_id)
        for run_id in late:
            self._time_out(self._pending.pop(run_id), sent=True)
        self._relieve()

    def _expire_unsent(self, now_ns: int) -> None:
        late = [
            slot
            for slot in self._outgoing
            if slot.deadline_ns <= now_ns and not slot.flags & RunFlags.BLOCKING
        ]
        if late:
            dropped = set(map(id, late))
            self._outgoing = deque(slot for slot in self._outgoing if id(slot) not in dropped)
        for slot in late:
            self._time_out(slot, sent=False)

    def _time_out(self, slot: Slot, *, sent: bool) -> None:
        self._settle(slot)
        if sent:
            self._given_up.add(slot)
        self.statistics.timeouts += len(slot.commands)
        answers = [
            UNKNOWN_OUTCOME if sent and not is_read(words) else TIMED_OUT for words in slot.commands
        ]
        if slot.is_unit:
            answers = [UNKNOWN_OUTCOME if UNKNOWN_OUTCOME in answers else TIMED_OUT]
        slot.complete(b"".join(answers))


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


def _log_refusal(answer: asyncio.Future[Any]) -> None:
    if not answer.cancelled() and (error := answer.exception()) is not None:
        logger.warning("the storage runtime did not do what it was told: %s", error)
