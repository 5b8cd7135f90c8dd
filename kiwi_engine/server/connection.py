"""One client connection (shell: event loop).

Bytes in, commands out, replies back in order. What the storage runtime must see leaves as runs: all
commands of a chunk at once where they are plain, which is the hot path. Everything else goes one by
one: local commands, clients that have not logged in, CLIENT REPLY.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, cast

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.commands.registry import COMMANDS, lookup
from kiwi_engine.resp import reply
from kiwi_engine.resp.fast import RequestReader
from kiwi_engine.server.local import dispatch, is_locked_out
from kiwi_engine.server.session import ReplyMode, Session
from kiwi_engine.server.slots import ReplyLine, Slot

if TYPE_CHECKING:
    from kiwi_engine.server.network import NetworkRuntime

logger = logging.getLogger(__name__)

# Names as clients really spell them, of commands that need nothing but the storage runtime.
_PLAIN: Final = {
    spelling: row.name
    for row in COMMANDS.values()
    if row.where == "storage" and row.name != "debug"
    for spelling in (row.name.encode(), row.name.upper().encode())
}
_PLAIN_NAMES: Final = frozenset(_PLAIN)


class Connection(asyncio.Protocol):
    """The event loop calls the protocol methods; `runtime` owns the set of connections."""

    def __init__(self, runtime: NetworkRuntime) -> None:
        self._runtime = runtime
        self._statistics = runtime.statistics
        self._storage = runtime.storage
        self._transport: asyncio.Transport
        self._reader = RequestReader()
        self._line = ReplyLine(self._write)
        self._hold_backs = 0
        self._bytes_received = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.session: Session

    # ---- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = transport = cast(asyncio.Transport, transport)
        session = self._runtime.admit(self, self._transport)
        if session is None:
            transport.write(reply.error("ERR max number of clients reached"))
            transport.close()
            return
        self.session = session
        self._line.source = session.id
        self._reader.limits = self._runtime.limits(session)

    def data_received(self, data: bytes) -> None:
        session = self.session
        session.last_interaction_ns = monotonic_ns()
        session.input_bytes += len(data)
        self._statistics.input_bytes += len(data)
        self._bytes_received += len(data)
        try:
            commands = self._reader.feed(data)
            if commands:
                self._accept(commands)
            if self._reader.needs_attention:
                self._attend()
        except Exception:
            logger.exception("connection %d failed", session.id)
            self._transport.abort()

    def eof_received(self) -> bool:
        """A half-closed client still gets the replies to what it sent."""
        self.close_when_answered()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._line.write = _drop
        self._runtime.forget(self)

    def pause_writing(self) -> None:
        """The client does not take its replies: do not take its requests either."""
        self._hold_back()

    def resume_writing(self) -> None:
        self._go_on()

    # ---- called by the runtime

    @property
    def is_answered(self) -> bool:
        """Nothing that was received still waits for its reply."""
        return not self._line

    def buffered_bytes(self) -> tuple[int, int]:
        """Bytes received but not run, and reply bytes that the kernel has not taken."""
        return self._reader.pending_bytes, self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """Close now; what is not sent is lost."""
        self._transport.abort()

    def stop_reading(self) -> None:
        """For the orderly stop: nothing more is accepted."""
        self._hold_back()

    def close_when_answered(self) -> None:
        """Close once all replies are sent."""
        self.session.close_after_reply = True
        if self.is_answered:
            self._transport.close()

    def refresh_limits(self) -> None:
        """After a login or a change of settings."""
        self._reader.limits = self._runtime.limits(self.session)

    # ---- requests

    def _attend(self) -> None:
        """Go on behind a login, or end the connection of a client that broke the protocol."""
        while self._reader.held:
            # Commands behind a login were held back until it is decided.
            self.refresh_limits()
            self._accept(self._reader.feed(b""))
        if self._reader.error is not None and not self.session.close_after_reply:
            self._statistics.protocol_errors += 1
            self._slot([]).complete(reply.error(self._reader.error.text))
            self.close_when_answered()

    def _accept(self, commands: list[list[bytes]]) -> None:
        session = self.session
        session.commands_count += len(commands)
        self._statistics.commands_processed += len(commands)
        is_plain = session.authenticated and session.reply_mode is ReplyMode.ON
        if is_plain and {words[0] for words in commands} <= _PLAIN_NAMES:
            session.last_command = _PLAIN[commands[-1][0]]
            self._submit(commands)
            return
        run: list[list[bytes]] = []
        for words in commands:
            if session.close_after_reply:
                break
            if session.reply_mode is ReplyMode.ON and self._is_for_storage(words):
                run.append(words)
                continue
            if run:
                self._submit(run)
                run = []
            self._accept_one(words)
        if run:
            self._submit(run)

    def _accept_one(self, words: list[bytes]) -> None:
        """A local command, or one whose reply is to be dropped."""
        session = self.session
        if session.reply_mode is ReplyMode.SKIP:
            session.reply_mode = ReplyMode.SKIPPING
        if self._is_for_storage(words):
            self._submit([words])
        else:
            answer = self._runtime.refuse(session, words) or dispatch(self._runtime, session, words)
            if isinstance(answer, bytes):
                self._slot([]).complete(answer)
            else:
                self._answer_later(self._slot([]), answer)
        if session.reply_mode is ReplyMode.SKIPPING:
            session.reply_mode = ReplyMode.ON
        if session.close_after_reply:
            self.close_when_answered()

    def _is_for_storage(self, words: list[bytes]) -> bool:
        """Whether the storage runtime is to judge and run the command."""
        row = lookup(words[0])
        return (
            row is not None
            and row.where == "storage"
            and not is_locked_out(self._runtime, self.session)
            and self._runtime.refuse(self.session, words) is None
        )

    def _submit(self, commands: list[list[bytes]]) -> None:
        if not self._storage.submit(self._slot(commands), self.session.last_interaction_ns):
            self._hold_back()
            self._storage.when_relieved(self._line, self._go_on)

    # ---- replies

    def _slot(self, commands: list[list[bytes]]) -> Slot:
        """The next place in the line of replies; bytes received so far count for it."""
        session = self.session
        slot = Slot(self._line, commands, session.db, session.resp3, self._bytes_received)
        self._bytes_received = 0
        slot.is_silent = session.reply_mode is not ReplyMode.ON
        self._line.append(slot)
        return slot

    def _answer_later(self, slot: Slot, answer: Coroutine[Any, Any, bytes]) -> None:
        async def wait() -> None:
            try:
                slot.complete(await answer)
            except Exception:
                logger.exception("connection %d failed", self.session.id)
                self._transport.abort()

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _write(self, encoded: bytes) -> None:
        self._transport.write(encoded)
        self.session.output_bytes += len(encoded)
        self._statistics.output_bytes += len(encoded)
        if self.session.close_after_reply and self.is_answered:
            self._transport.close()

    # ---- flow control: several reasons may hold a connection back at the same time

    def _hold_back(self) -> None:
        self._hold_backs += 1
        if self._hold_backs == 1 and not self._transport.is_closing():
            self._transport.pause_reading()

    def _go_on(self) -> None:
        self._hold_backs -= 1
        if self._hold_backs == 0 and not self._transport.is_closing():
            self._transport.resume_reading()


def _drop(encoded: bytes) -> None:
    """Where replies go once the client is gone."""
