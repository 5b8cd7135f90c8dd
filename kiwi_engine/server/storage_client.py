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
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from kiwi_engine.channel.frames import Query, Request, Run
from kiwi_engine.channel.statistics import ChannelStatistics
from kiwi_engine.commands.registry import lookup
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ChannelClosedError, KiwiError, UnknownOutcomeError
from kiwi_engine.resp import reply
from kiwi_engine.server.slots import ReplyLine, Slot

logger = logging.getLogger(__name__)

UNKNOWN_OUTCOME: Final = reply.error(UnknownOutcomeError("the storage runtime did not answer").text)
READ_TOO_LATE: Final = reply.error(
    "TIMEOUT the storage runtime stopped before it answered, and a later write may have been made"
)
TIMED_OUT: Final = reply.error("TIMEOUT the storage runtime did not answer in time")


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
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._requests = 0
        self._bytes = 0
        # How to let the connections go on that were told to stop reading.
        self._held_back: dict[ReplyLine, list[Callable[[], None]]] = {}
        self.statistics = ChannelStatistics()

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
        if link is None or not (self._outgoing or self._queries):
            return
        runs = []
        identity = self._next_id
        for slot in self._outgoing:
            slot.run_id = identity
            self._pending[identity] = slot
            source = slot.line.source
            runs.append(Run(identity, 0, slot.db, slot.resp3, slot.commands, source))
            identity += 1
        self._next_id = identity
        self._outgoing.clear()
        queries, self._queries = self._queries, []
        self.statistics.sent(self._requests, self._bytes)
        link.send(Request(runs, queries))

    # ---- replies

    def receive(
        self, replies: list[tuple[int, bytes]], answers: list[tuple[int, str, Any]]
    ) -> None:
        """Take one frame of replies; those that nobody waits for any more are dropped."""
        pending = self._pending
        for run_id, blob in replies:
            slot = pending.pop(run_id, None)
            if slot is not None:
                self._settle(slot)
                self.statistics.received += len(slot.commands)
                slot.complete(blob)
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

        The storage runtime runs the commands of a frame before it looks at the queries in it, so
        the query has a frame of its own. A runtime that is down now is started with the new ones.
        """
        if self._link is None:
            return
        self._flush()
        _, future = self._ask("config_set", changed)
        future.add_done_callback(_log_refusal)
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

    def connect(self, link: Link) -> None:
        """A storage runtime is ready: send what waits for it."""
        self._link = link
        self._schedule_flush()

    def disconnect(self) -> None:
        """The storage runtime is gone; the module docstring says what becomes of its requests."""
        self._link = None
        pending, self._pending = self._pending, {}
        retried: list[Slot] = []
        slots = list(pending.values())
        for slot, answers in zip(slots, answers_without_storage(slots), strict=True):
            self._settle(slot)
            retried += slot.split(answers)
        for slot in retried:
            self._owe(slot)
        self._outgoing.extendleft(reversed(retried))
        self.statistics.failures += len(pending)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ChannelClosedError("the storage runtime stopped"))
        self._waiting.clear()
        self._relieve()

    def expire(self, now_ns: int) -> None:
        """Answer what is past its deadline; called about ten times a second."""
        while self._outgoing and self._outgoing[0].deadline_ns <= now_ns:
            self._time_out(self._outgoing.popleft(), sent=False)
        late = []
        for run_id, slot in self._pending.items():
            if slot.deadline_ns > now_ns:
                break
            late.append(run_id)
        for run_id in late:
            self._time_out(self._pending.pop(run_id), sent=True)
        self._relieve()

    def _time_out(self, slot: Slot, *, sent: bool) -> None:
        self._settle(slot)
        self.statistics.timeouts += len(slot.commands)
        slot.complete(
            b"".join(
                UNKNOWN_OUTCOME if sent and not _is_read(words) else TIMED_OUT
                for words in slot.commands
            )
        )


def _log_refusal(answer: asyncio.Future[Any]) -> None:
    if not answer.cancelled() and (error := answer.exception()) is not None:
        logger.warning("the storage runtime did not take over new settings: %s", error)


def answers_without_storage(slots: Sequence[Slot]) -> list[list[bytes | None]]:
    """What the commands of runs that were sent, and never answered, are answered (pure).

    None: to be asked again. Not so a read in front of a write of its own connection: that write may
    have been made, and the read would show it.
    """
    writers: set[ReplyLine] = set()
    found: list[list[bytes | None]] = []
    for slot in reversed(slots):
        answers: list[bytes | None] = []
        for words in reversed(slot.commands):
            if not _is_read(words):
                writers.add(slot.line)
                answers.append(UNKNOWN_OUTCOME)
            else:
                answers.append(READ_TOO_LATE if slot.line in writers else None)
        found.append(answers[::-1])
    return found[::-1]


def _is_read(words: list[bytes]) -> bool:
    """Whether a command can be repeated without harm."""
    command = lookup(words[0])
    return command is not None and not command.is_write
