"""One client connection (shell: event loop).

Bytes in, commands out, replies back in order. Where the session and all commands of a chunk are
plain, they leave as one run for the storage runtime: that is the hot path. Everything else goes
through the connection's gate (`server.network.command_gate`), one by one. Commands behind one that
waits are held, while reading goes on: so it is seen when the client goes away.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, cast

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.commands.registry import COMMANDS
from kiwi_engine.resp import reply
from kiwi_engine.resp.fast import RequestReader
from kiwi_engine.server.network.command_gate import CommandGate
from kiwi_engine.server.network.footprint import footprint
from kiwi_engine.server.network.session import ReplyMode, Session
from kiwi_engine.server.network.slots import ReplyLine, Slot

if TYPE_CHECKING:
    from kiwi_engine.server.network.runtime import NetworkRuntime

logger = logging.getLogger(__name__)

# Names as clients really spell them, of commands that need nothing but the storage runtime.
_PLAIN: Final = {
    spelling: row.name
    for row in COMMANDS.values()
    if row.is_plain
    for spelling in (row.name.encode(), row.name.upper().encode())
}
_PLAIN_NAMES: Final = frozenset(_PLAIN)
# More than this of commands that have to wait, and nothing more is read.
_HELD_BYTES_MAX: Final = 1024 * 1024


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
        # Slots that must be answered before commands are accepted again, and those commands.
        self._waits_for: set[Slot] = set()
        self._held: deque[list[bytes]] = deque()
        self._held_bytes = 0
        self._is_full = False
        self.is_postponed = False
        # The client sends nothing more, but still wants its replies.
        self._is_half_closed = False
        # More output waits than the client takes at once.
        self._is_slow = False
        # Output that will leave together, in one system call; None: it leaves at once.
        self._gathered: list[bytes] | None = None
        # The run that waits for other clients.
        self._blocked: Slot | None = None
        self._is_known_to_wait = False
        self._gate: CommandGate
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
        self._gate = CommandGate(self._runtime, session, self)
        self._line.source = session.id
        self.refresh_limits()

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
        except Exception:  # noqa: BLE001 - logged
            self._fail()

    def eof_received(self) -> bool:
        """A half-closed client still gets the replies to what it sent, but does not wait.

        It gets that of a command that could have waited, too, if it is not known to do so.
        """
        if self.session.is_blocked and (self._blocked is None or self._is_known_to_wait):
            return False
        self._is_half_closed = True
        self._end_if_done()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._line.write = _drop
        if hasattr(self, "session"):
            self._held.clear()
            if self.session.end_wait is not None:
                self.session.end_wait(False)
            self._storage.forget(self.session.id, self._blocked)
            self._runtime.forget(self)

    def pause_writing(self) -> None:
        """The client does not take its replies: do not take its requests either."""
        self._hold_back()
        self._is_slow = True
        self._runtime.slow_readers.add(self)

    def resume_writing(self) -> None:
        self._is_slow = False
        self._runtime.slow_readers.remove(self)
        self._go_on()

    # ---- called by the runtime

    @property
    def is_answered(self) -> bool:
        """Nothing that was received still waits for its reply."""
        return not self._line

    def buffered_bytes(self) -> tuple[int, int]:
        """Bytes received but not run, and reply bytes that the kernel has not taken."""
        gathered_bytes = sum(map(len, self._gathered or ()))
        waiting_bytes = self._transport.get_write_buffer_size() + gathered_bytes
        return self._reader.pending_bytes, waiting_bytes

    def abort(self) -> None:
        """Close now; what is not sent is lost."""
        self._transport.abort()

    def stop_reading(self) -> None:
        """For the orderly stop: nothing more is accepted."""
        self._hold_back()

    def close_when_answered(self) -> None:
        """Close once all replies are sent."""
        self.session.close_after_reply = True
        if self.is_answered and not self._held:
            self._close()

    def _end_if_done(self) -> None:
        """Close a half-closed connection when all that it sent is answered."""
        if self._is_half_closed and self.is_answered and not self._held:
            self._close()

    def push(self, encoded: bytes) -> None:
        """Send what nobody asked for: between replies, with all else of this event-loop tick."""
        if self._gathered is None:
            if self._transport.is_closing():
                return
            self._gathered = []
            self._runtime.flush_later(self)
        self._gathered.append(encoded)
        self.session.output_bytes += len(encoded)
        self._statistics.output_bytes += len(encoded)

    def flush(self) -> None:
        """Send what was gathered."""
        gathered, self._gathered = self._gathered, None
        if gathered and not self._transport.is_closing():
            if len(gathered) == 1:
                self._transport.write(gathered[0])
            else:
                self._transport.writelines(gathered)
            if self._is_slow:
                self._runtime.slow_readers.check(self, monotonic_ns())

    def behind_answers(self, action: Callable[[], None]) -> None:
        """Call `action` when what the storage runtime has answered so far has left."""
        self._line.behind_answers(action)

    def push_behind(self, encoded: bytes) -> None:
        """Send what nobody asked for behind the reply of the command that is being run."""
        self._line.push_behind(encoded)

    def drop_wait(self) -> None:
        """For the orderly stop: what waits in this runtime will not be run.

        What waits in the storage runtime is answered by it, even if with nothing.
        """
        if self.session.is_blocked and self._blocked is None:
            self._transport.abort()

    def end_pause(self) -> None:
        """Go on with the commands that CLIENT PAUSE held back."""
        self.is_postponed = False
        self.session.is_blocked = False
        # The time that commands may take begins now.
        self.session.last_interaction_ns = monotonic_ns()
        self._accept_held()

    def refresh_limits(self) -> None:
        """After a login or a change of settings."""
        self._reader.limits = self._runtime.limits(self.session)
        self._transport.set_write_buffer_limits(high=self._runtime.slow_readers.high_water_bytes)

    # ---- requests

    def _attend(self) -> None:
        """Go on behind a login, or end the connection of a client that broke the protocol."""
        while self._reader.held:
            # Commands behind a login were held back until it is decided.
            self.refresh_limits()
            self._accept(self._reader.feed(b""))
        if self.is_held or self._held or self.session.close_after_reply:
            # What comes before the error is answered first.
            return
        if self._reader.error is not None:
            self._statistics.protocol_errors += 1
            self.slot([]).complete(reply.error(self._reader.error.text))
            self.close_when_answered()

    def _accept(self, commands: list[list[bytes]]) -> None:
        session = self.session
        session.commands_count += len(commands)
        self._statistics.commands_processed += len(commands)
        if self._waits_for or self._held:
            self.hold(commands)
        elif (
            session.is_plain
            and self._runtime.is_quiet
            and {words[0] for words in commands} <= _PLAIN_NAMES
        ):
            session.last_command = _PLAIN[commands[-1][0]]
            self.submit(self.slot(commands))
        else:
            self._pass_gate(commands)

    def _pass_gate(self, commands: list[list[bytes]]) -> None:
        """Take commands one by one; what answers them at once leaves together."""
        is_first = self._gathered is None
        if is_first:
            self._gathered = []
        self._gate.accept(commands)
        if is_first:
            self.flush()

    # ---- what the gate asks for (Outlet)

    @property
    def is_held(self) -> bool:
        return self.is_postponed or bool(self._waits_for)

    def slot(self, commands: list[list[bytes]]) -> Slot:
        """The next place in the line of replies; bytes received so far count for it."""
        session = self.session
        slot = Slot(self._line, commands, session.db, session.resp3, self._bytes_received)
        self._bytes_received = 0
        slot.is_silent = session.reply_mode is not ReplyMode.ON
        slot.arrived_ns = session.last_interaction_ns
        self._line.append(slot)
        return slot

    def submit(self, slot: Slot) -> None:
        if not self._storage.submit(slot, self.session.last_interaction_ns):
            self._hold_back()
            self._storage.when_relieved(self._line, self._go_on)

    def submit_blocking(self, slot: Slot) -> None:
        """Everything behind it waits with it."""
        self._blocked = slot
        self.session.is_blocked = True

        def unblock(encoded: bytes) -> bytes:
            self._blocked = None
            self._is_known_to_wait = False
            self.session.is_blocked = False
            return encoded

        slot.convert = unblock
        slot.on_wait = self._note_wait
        self.hold_until_answered(slot)
        self._storage.submit_blocking(slot)

    def _note_wait(self) -> None:
        self._is_known_to_wait = True
        if self._is_half_closed:
            self._close()

    def hold_until_answered(self, slot: Slot) -> None:
        """Hold what comes behind `slot` until it is answered."""
        self._waits_for.add(slot)
        convert = slot.convert

        def release(encoded: bytes) -> bytes | None:
            converted = encoded if convert is None else convert(encoded)
            if converted is None:
                # It is completed later.
                slot.convert = release_last
            else:
                self._release(slot)
            return converted

        def release_last(encoded: bytes) -> bytes:
            self._release(slot)
            return encoded

        slot.convert = release

    def hold(self, commands: list[list[bytes]]) -> None:
        """Keep commands until nothing is waited for any more."""
        self._held.extend(commands)
        self._held_bytes += sum(map(footprint, commands))
        if self._held_bytes > _HELD_BYTES_MAX and not self._is_full:
            self._is_full = True
            self._hold_back()

    def postpone(self, words: list[bytes]) -> None:
        self.is_postponed = True
        self.session.is_blocked = True
        self.hold([words])
        self._runtime.pauses.wait(self)

    def _release(self, slot: Slot) -> None:
        self._waits_for.discard(slot)
        if not self._waits_for:
            # What comes behind is as new, and the client was not idle.
            self.session.last_interaction_ns = monotonic_ns()
            # Not now: the reply that was waited for has not left yet.
            asyncio.get_running_loop().call_soon(self._accept_held)

    def _accept_held(self) -> None:
        if self.is_held or self._transport.is_closing():
            return
        commands, self._held = list(self._held), deque()
        self._held_bytes = 0
        if self._is_full:
            self._is_full = False
            self._go_on()
        try:
            if commands:
                self._pass_gate(commands)
            if self._reader.needs_attention:
                self._attend()
        except Exception:  # noqa: BLE001 - logged
            self._fail()
        self._end_if_done()

    def do_in_turn(self, slot: Slot, action: Callable[[], None]) -> None:
        """Call `action`, which completes `slot`, when all earlier replies have left."""

        def act() -> None:
            try:
                action()
            except Exception:  # noqa: BLE001 - logged
                # It may be on behalf of others that this is called: they are not to suffer.
                self._fail()

        slot.action = act
        self._line.advance()

    def answer_later(self, slot: Slot, answer: Coroutine[Any, Any, bytes]) -> None:
        """Complete `slot` with what `answer` returns."""

        async def wait() -> None:
            try:
                slot.complete(await answer)
            except Exception:  # noqa: BLE001 - logged
                self._fail()

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _write(self, encoded: bytes) -> None:
        if self._gathered is None:
            self._transport.write(encoded)
        else:
            self._gathered.append(encoded)
        self.session.output_bytes += len(encoded)
        self._statistics.output_bytes += len(encoded)
        if self.session.close_after_reply and self.is_answered:
            self._close()
        elif self._is_half_closed:
            self._end_if_done()

    def _fail(self) -> None:
        """An exception is being handled that should not be: it ends this connection only."""
        logger.exception("connection %d failed", self.session.id)
        self._transport.abort()

    def _close(self) -> None:
        self.flush()
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
