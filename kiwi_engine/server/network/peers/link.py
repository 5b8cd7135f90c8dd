"""One end of the link between two network processes (shell: event loop).

    ask(..)  ---- Ask ---->  methods.asked        tell(..)  ---- Tell ---->  on_tell
             <-- Answer ---

What is sent within one event-loop tick leaves in one frame.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from inspect import isawaitable
from typing import Any, Final, cast

from kiwi_engine.channel.frame_buffer import FrameBuffer
from kiwi_engine.errors import KiwiError, ReplyError
from kiwi_engine.server.network.peers.messages import (
    Answer,
    Ask,
    Message,
    Tell,
    decode_messages,
    encode_messages,
)
from kiwi_engine.server.network.peers.methods import Methods

logger = logging.getLogger(__name__)

# Nobody is to wait long for a process that hangs: what it would have said is left out.
PATIENCE_S: Final = 1.0
# Beyond that a process that does not read what it is told has to come anew.
UNSENT_BYTES_MAX: Final = 64 * 1024 * 1024
# The number of questions whose answers are dropped; others are numbered from 1 on.
_UNHEARD: Final = 0
_ENDED: Final = "another network process has ended"


class PeerLink(asyncio.BufferedProtocol):
    """`on_tell` gets what the other end tells, `on_lost` is called once when the link is gone.

    What is sent before the link is there leaves first thing, behind `first_frame`. A link on which
    more than `UNSENT_BYTES_MAX` wait, beside the largest frame there is, is given up.

    `is_silent`: the other end has left a question unanswered for `PATIENCE_S`, and has said nothing
    since.
    """

    def __init__(
        self,
        methods: Methods,
        on_tell: Callable[[Tell], None],
        on_lost: Callable[[], None],
        first_frame: bytes = b"",
    ) -> None:
        self._methods = methods
        self._on_tell = on_tell
        self._on_lost = on_lost
        self._first_frame = first_frame
        self._loop = asyncio.get_running_loop()
        self._buffer = FrameBuffer()
        self._transport: asyncio.Transport | None = None
        self._to_send: list[Message] = []
        self._largest_unsent = 0
        self._next_id = 1
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_ended = False
        self.is_silent = False

    @property
    def unsent_bytes(self) -> int:
        """What the kernel has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def tell(self, tell: Tell) -> None:
        """Send something that wants no answer."""
        self._send(tell)

    def ask(
        self, method: str, parameters: Any, patience_s: float = PATIENCE_S
    ) -> Coroutine[Any, Any, Any]:
        """The other end's answer; `KiwiError` if there is none, `ReplyError` if it raised one.

        The question leaves in the order of all that is sent; only the answer is to be awaited.
        """
        identity = self._next_id
        self._next_id += 1
        answer = self._waiting[identity] = self._loop.create_future()
        if self._has_ended:
            answer.set_exception(KiwiError(_ENDED))
        self._send(Ask(identity, method, parameters))
        return self._answer_to(identity, answer, patience_s)

    async def _answer_to(
        self, identity: int, answer: asyncio.Future[Any], patience_s: float
    ) -> Any:
        try:
            return await asyncio.wait_for(answer, patience_s)
        except TimeoutError:
            self.is_silent = True
            raise KiwiError("another network process did not answer in time") from None
        finally:
            self._waiting.pop(identity, None)

    def ask_unheard(self, method: str, parameters: Any) -> None:
        """Have the other end do what is asked, whenever it can, without waiting for its answer."""
        self._send(Ask(_UNHEARD, method, parameters))

    def close(self) -> None:
        """Send what is to be sent, and close."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    # ---- the protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        if self._first_frame:
            self._transport.write(self._first_frame)
        self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer.writable()

    def buffer_updated(self, nbytes: int) -> None:
        self._buffer.wrote(nbytes)
        self.is_silent = False
        for body in self._buffer.frames():
            for message in decode_messages(body):
                self._take(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._has_ended = True
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(KiwiError(_ENDED))
        self._on_lost()

    # ---- messages

    def _take(self, message: Message) -> None:
        if isinstance(message, Tell):
            self._on_tell(message)
        elif isinstance(message, Answer):
            self._answered(message)
        else:
            answer = self._methods.asked(message)
            if isawaitable(answer):
                self._send_later(answer)
            else:
                self._send(answer)

    def _answered(self, answer: Answer) -> None:
        waiting = self._waiting.get(answer.id)
        if waiting is None or waiting.done():
            return
        if answer.error:
            kind = ReplyError if answer.is_reply else KiwiError
            waiting.set_exception(kind(answer.error))
        else:
            waiting.set_result(answer.result)

    def _send_later(self, answer: Awaitable[Answer]) -> None:
        async def wait() -> None:
            self._send(await answer)

        task = self._loop.create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _send(self, message: Message) -> None:
        if self._has_ended:
            return
        if not self._to_send:
            self._loop.call_soon(self._flush)
        self._to_send.append(message)

    def _flush(self) -> None:
        if self._transport is None:
            return
        messages, self._to_send = self._to_send, []
        if messages and not self._transport.is_closing():
            frame = encode_messages(messages)
            # One message may be as large as a client may send it.
            largest = self._largest_unsent if self.unsent_bytes else 0
            self._largest_unsent = max(largest, len(frame))
            self._transport.write(frame)
            if self.unsent_bytes > UNSENT_BYTES_MAX + self._largest_unsent:
                logger.critical(
                    "another network process leaves %d bytes of messages unread: no link is better",
                    self.unsent_bytes,
                )
                self._transport.abort()
