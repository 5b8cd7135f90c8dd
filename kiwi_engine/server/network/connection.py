"""One client connection (shell: event loop).

Bytes in, commands out, replies back in order. Where the session and all commands of a chunk are
plain, they leave as one run for the storage runtime: that is the hot path. Everything else goes
through the connection's gate (`server.network.command_gate`), one by one. Commands behind one that
waits are held, while reading goes on: so it is seen when the client goes away.

What one client may have under way is bounded, whatever it sends and whether it reads or not: a few
runs, whose replies the storage runtime bounds. Runs that it returns because the client is to read
first (`channel.returned_runs`) keep their places in the line of replies, and are sent again then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, cast

from kiwi_engine.channel.frames import RunFlags
from kiwi_engine.clock import monotonic_ns
from kiwi_engine.commands.registry import COMMANDS
from kiwi_engine.errors import QueryTooLongError, ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.resp.fast import RequestReader
from kiwi_engine.server.network.command_gate import CommandGate
from kiwi_engine.server.network.footprint import footprint
from kiwi_engine.server.network.intake import TURN_BYTES, Intake
from kiwi_engine.server.network.query_limits import end_for_query_limit
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
# Commands that pass the gate in one tick; with a few microseconds each about a millisecond.
_TURN_COMMANDS: Final = 256
# Runs that a client may have under way before it is not read from, and those with which it is
# again: enough for one to be parsed, one executed and one synced; so many may wait in front of the
# commands of others, and may add to the output of a client that does not read.
_RUNS_OWED_MAX: Final = 4
_RUNS_OWED_LOW: Final = 2


class Connection(asyncio.Protocol):
    """The event loop calls the protocol methods; `runtime` owns the set of connections."""

    def __init__(self, runtime: NetworkRuntime) -> None:
        self._runtime = runtime
        self._statistics = runtime.statistics
        self._storage = runtime.storage
        self._transport: asyncio.Transport
        self._reader = RequestReader()
        self._line = ReplyLine(self._write)
        self._line.on_return = self._take_back
        # They may be what those that have come back waited for.
        self._line.on_given_up = self._go_on_with_runs
        self._line.on_failure = self._fail
        self._intake: Intake
        self._bytes_received = 0
        # Lists, because most are empty: a deque takes ten times as much then, a set four times.
        self._tasks: list[asyncio.Task[None]] = []
        # Slots that must be answered before commands are accepted again, and those commands.
        self._waits_for: list[Slot] = []
        self._held: list[list[bytes]] = []
        self._held_bytes = 0
        self._is_full = False
        self._is_turn_scheduled = False
        # What was held, or received before, is being taken: more of it may follow a reply.
        self._is_taking = False
        self.is_postponed = False
        # As many runs are under way as may be.
        self._is_run_bound = False
        # Runs were returned: all wait, in the line of replies, until the client has read.
        self.is_returning = False
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
        if isinstance(session, ReplyError):
            transport.write(reply.error(session.text))
            transport.close()
            return
        self._intake = Intake(transport, self._take_piece)
        self.session = session
        self._gate = CommandGate(self._runtime, session, self)
        self._line.source = session.id
        self.refresh_limits()

    def data_received(self, data: bytes) -> None:
        if len(data) > TURN_BYTES and not self._intake.is_in_turn:
            self._intake.spread(data)
            return
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

    def _take_piece(self, data: bytes) -> None:
        """Take the next part of what was received in a large piece."""
        self._is_taking = True
        self.data_received(data)
        self._is_taking = False
        self._end_if_done()

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
            self._intake.stop()
            self._held.clear()
            if self.session.end_wait is not None:
                self.session.end_wait(False)
            self._storage.forget(self.session.id, self._blocked)
            self._runtime.forget(self)

    def pause_writing(self) -> None:
        """The client does not take its replies: do not take its requests either."""
        self._intake.hold_back()
        self._is_slow = True
        self._runtime.slow_readers.add(self)

    def resume_writing(self) -> None:
        self._is_slow = False
        self._runtime.slow_readers.remove(self)
        self._intake.go_on()
        self._send_again()

    # ---- called by the runtime

    @property
    def is_answered(self) -> bool:
        """Nothing that was received still waits for its reply."""
        return not self._line

    @property
    def replies_owed(self) -> int:
        return len(self._line)

    @property
    def is_idle(self) -> bool:
        """It is the client that everything waits for, to send something or to read."""
        return not self._line or self._is_slow

    @property
    def is_owed_by_storage(self) -> bool:
        """The storage runtime has not answered all that it was asked."""
        return self._line.runs_owed > 0

    def buffered_bytes(self) -> tuple[int, int]:
        """Bytes received but not run, and reply bytes that the kernel has not taken."""
        gathered_bytes = sum(map(len, self._gathered or ()))
        waiting_bytes = self._transport.get_write_buffer_size() + gathered_bytes
        received_bytes = self._reader.pending_bytes + self._intake.backlog_bytes
        return received_bytes, waiting_bytes

    def abort(self) -> None:
        """Close now; what is not sent is lost."""
        self._transport.abort()

    def stop_reading(self) -> None:
        """For the orderly stop: nothing more is accepted."""
        self._intake.stop()

    def close_when_answered(self) -> None:
        """Close once all replies are sent."""
        self.session.close_after_reply = True
        self._intake.stop()
        if self.is_answered and not self._held:
            self._close()

    def exceed_query_limit(self) -> None:
        """End at once: the client has more under way than it may."""
        self.session.close_after_reply = True
        end_for_query_limit(self, self._statistics)

    def _end_if_done(self) -> None:
        """Close a half-closed connection when all that it sent is answered."""
        if not self._is_half_closed or self._is_taking or not self.is_answered:
            return
        if not (self._held or self._reader.needs_attention or self._intake.backlog_bytes):
            self._close()

    def push(self, encoded: bytes) -> None:
        """Send what nobody asked for: between replies, with all else of this event-loop tick."""
        if self._line.holds_messages:
            self._line.push_behind(encoded)
            return
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

    def push_held(self, encoded: bytes) -> None:
        """So, too; and until then what is pushed follows it, because it is later."""
        self._line.push_behind(encoded)
        self._line.holds_messages = True

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
            commands = self._reader.feed(b"")
            if commands:
                self._accept(commands)
        if self.is_held or self._held or self.session.close_after_reply:
            # What comes before the error is answered first.
            return
        if isinstance(self._reader.error, QueryTooLongError):
            self.exceed_query_limit()
        elif self._reader.error is not None:
            self._statistics.protocol_errors += 1
            self.slot([]).complete(reply.error(self._reader.error.text))
            self.close_when_answered()

    def _accept(self, commands: list[list[bytes]]) -> None:
        session = self.session
        session.commands_count += len(commands)
        self._statistics.commands_processed += len(commands)
        if self._waits_for or self._held:
            self.hold(commands)
        else:
            self._pass(commands)

    def _pass(self, commands: list[list[bytes]]) -> None:
        """Take commands that nothing waits in front of."""
        session = self.session
        if (
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
        later, self._held = self._held, []
        self._gate.accept(commands[:_TURN_COMMANDS])
        if len(commands) > _TURN_COMMANDS:
            self.hold(commands[_TURN_COMMANDS:])
        self._held.extend(later)
        if self.session.close_after_reply:
            self._held.clear()
        if is_first:
            self.flush()
        if self._held and not self.is_held:
            self._schedule_turn()

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
        if self.is_returning:
            slot.is_returned = True
            return
        if not self._storage.submit(slot, self.session.last_interaction_ns):
            self._intake.hold_back()
            self._storage.when_relieved(self._line, self._intake.go_on)
        if self._line.runs_owed >= _RUNS_OWED_MAX and not self._is_run_bound:
            self._is_run_bound = True
            self._intake.hold_back()

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
        slot.flags |= RunFlags.BLOCKING
        self._send_blocking(slot)

    def _send_blocking(self, slot: Slot) -> None:
        if self.is_returning:
            slot.is_returned = True
        else:
            self._storage.submit_blocking(slot)

    def _note_wait(self) -> None:
        self._is_known_to_wait = True
        if self._is_half_closed:
            self._close()

    def hold_until_answered(self, slot: Slot) -> None:
        """Hold what comes behind `slot` until it is answered."""
        self._waits_for.append(slot)
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
            self._intake.hold_back()

    def postpone(self, words: list[bytes]) -> None:
        self.is_postponed = True
        self.session.is_blocked = True
        self.hold([words])
        self._runtime.pauses.wait(self)

    def _release(self, slot: Slot) -> None:
        if slot in self._waits_for:
            self._waits_for.remove(slot)
        if not self._waits_for:
            # What comes behind is as new, and the client was not idle.
            self.session.last_interaction_ns = monotonic_ns()
            # Not now: the reply that was waited for has not left yet.
            self._schedule_turn()

    def _schedule_turn(self) -> None:
        if not self._is_turn_scheduled:
            self._is_turn_scheduled = True
            asyncio.get_running_loop().call_soon(self._accept_held)

    def _accept_held(self) -> None:
        self._is_turn_scheduled = False
        if self.is_held or self._transport.is_closing():
            return
        commands, self._held = self._held[:_TURN_COMMANDS], self._held[_TURN_COMMANDS:]
        self._held_bytes -= sum(map(footprint, commands))
        if self._is_full and self._held_bytes <= _HELD_BYTES_MAX // 2:
            self._is_full = False
            self._intake.go_on()
        self._is_taking = True
        try:
            if commands:
                self._pass(commands)
            if self._held and not self.is_held:
                self._schedule_turn()
            elif self._reader.needs_attention:
                self._attend()
        except Exception:  # noqa: BLE001 - logged
            self._fail()
        self._is_taking = False
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
                encoded = await answer
                if self._gathered is None:
                    # With those of others that were answered in this event-loop tick.
                    self._gathered = []
                    self._runtime.flush_later(self)
                slot.complete(encoded)
            except Exception:  # noqa: BLE001 - logged
                self._fail()

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    def _write(self, encoded: bytes) -> None:
        if self._gathered is None:
            self._transport.write(encoded)
        else:
            self._gathered.append(encoded)
        self.session.output_bytes += len(encoded)
        self._statistics.output_bytes += len(encoded)
        if self._is_run_bound or self.is_returning:
            self._go_on_with_runs()
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

    # ---- runs that are under way, or that have come back

    def _take_back(self) -> None:
        """A run, or the rest of one, was not executed: its replies would be too much."""
        self.is_returning = True
        self._go_on_with_runs()

    def _go_on_with_runs(self) -> None:
        """Fewer runs are under way: read again, and send again what was returned."""
        if self._is_run_bound and self._line.runs_owed <= _RUNS_OWED_LOW:
            self._is_run_bound = False
            self._intake.go_on()
        self._send_again()

    def _send_again(self) -> None:
        """Once the client has read what there is for it, and all that is to come back has."""
        if not self.is_returning or self._is_slow or self._line.runs_owed:
            return
        self.is_returning = False
        now_ns = self.session.last_interaction_ns = monotonic_ns()
        for at, slot in enumerate(self._line.take_returned()):
            slot.arrived_ns = now_ns
            slot.flags &= ~RunFlags.RESUMED
            if at == 0:
                slot.flags |= RunFlags.RESUMED
            if slot.flags & RunFlags.BLOCKING:
                self._send_blocking(slot)
            else:
                self.submit(slot)


def _drop(encoded: bytes) -> None:
    """Where replies go once the client is gone."""
