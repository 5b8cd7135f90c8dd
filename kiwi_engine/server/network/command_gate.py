"""What happens to each command of a connection that is not on the plain path (shell: event loop).

The order of Redis' processCommand: does it exist, is its arity right, is the client logged in, may
its user do that, is it to be queued for EXEC; then it is run: by the storage runtime, as part of a
run with its neighbours, or here. Replies keep the order of the commands, whoever makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Protocol

from kiwi_engine.channel.frames import RunFlags
from kiwi_engine.clock import perf_counter_ns
from kiwi_engine.commands.registry import spelled
from kiwi_engine.commands.resolve import Resolved
from kiwi_engine.commands.table import Command, arity_accepts
from kiwi_engine.errors import ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.cross_protocol import is_cross_protocol
from kiwi_engine.server.network.exec_reply import MixedReply
from kiwi_engine.server.network.local import judge, reject, run
from kiwi_engine.server.network.monitoring import refusal as monitor_refusal
from kiwi_engine.server.network.session import ReplyMode, Session
from kiwi_engine.server.network.slots import Slot
from kiwi_engine.server.network.spanning.rules import RULES
from kiwi_engine.server.network.transaction import Transaction, Watching

if TYPE_CHECKING:
    from kiwi_engine.server.network.runtime import NetworkRuntime

# Not queued between MULTI and EXEC.
_NEVER_QUEUED: Final = frozenset(("exec", "discard", "multi", "watch", "quit", "reset"))
_BLOCKING_BY_OPTION: Final = frozenset(("xread", "xreadgroup"))
# Run only when all earlier replies of the connection have left: others see what they did.
_PUBLISHING: Final = frozenset(("publish", "spublish"))
# Messages of one connection that are on their way to another network process, which takes them in
# order; and their bytes, but for the last one.
_PUBLISHED_MAX: Final = 128
_PUBLISHED_BYTES_MAX: Final = 256 * 1024
# So, too; and what comes behind them waits, because it is judged by what they do.
_SUBSCRIBING: Final = frozenset(
    ("subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe")
)
_BARRIERS: Final = _SUBSCRIBING | {"monitor"}
# What `_must_wait` has to be asked about.
_ORDERED: Final = _PUBLISHING | _BARRIERS | RULES.keys()
# Where one of these is in a transaction, what that reads is tracked in any case.
_ABOUT_TRACKING: Final = frozenset(("client|tracking", "client|caching"))
_ABORTED: Final = "EXECABORT Transaction discarded because of previous errors."


class Outlet(Protocol):
    """The connection, as its gate uses it."""

    @property
    def is_held(self) -> bool:
        """Whether commands wait for an earlier one of their connection."""

    @property
    def is_postponed(self) -> bool:
        """Whether commands wait for the end of a pause."""

    @property
    def replies_owed(self) -> int:
        """How many slots of the connection have not left."""

    def slot(self, commands: list[list[bytes]]) -> Slot:
        """The next place in the line of replies."""

    def submit(self, slot: Slot) -> None: ...

    def submit_blocking(self, slot: Slot) -> None:
        """Hold what comes behind it until it is answered."""

    def hold_until_answered(self, slot: Slot) -> None: ...

    def answer_later(self, slot: Slot, answer: Coroutine[Any, Any, bytes]) -> None: ...

    def do_in_turn(self, slot: Slot, action: Callable[[], None]) -> None:
        """Call `action`, which completes `slot`, when all earlier replies have left."""

    def postpone(self, words: list[bytes]) -> None:
        """Hold a command, and all behind it, until the pause is over."""

    def hold(self, commands: list[list[bytes]]) -> None:
        """Take these up again when nothing holds commands back any more."""

    def close_when_answered(self) -> None: ...

    def abort(self) -> None:
        """Close now; what is not sent is lost."""

    def exceed_query_limit(self) -> None:
        """Disconnect the client: what it has queued is too much."""


class CommandGate:
    """Owned by a connection."""

    def __init__(self, runtime: NetworkRuntime, session: Session, outlet: Outlet) -> None:
        self._runtime = runtime
        self._session = session
        self._outlet = outlet
        # Commands for the storage runtime, or replies that are there: one of them is empty.
        self._run: list[list[bytes]] = []
        self._run_flags = 0
        self._answers: list[bytes] = []
        # Messages that are being published by another network process, and how many bytes of them.
        self._published = 0
        self._published_bytes = 0

    def accept(self, commands: list[list[bytes]]) -> None:
        """Take commands in order."""
        session, outlet = self._session, self._outlet
        for at, words in enumerate(commands):
            if session.close_after_reply:
                break
            if outlet.is_held:
                self._flush()
                outlet.hold(commands[at:])
                break
            transaction = session.transaction
            row = None if transaction is None else self._to_queue_at_once(words)
            if transaction is None or row is None:
                self._accept(words)
            else:
                session.last_command = row.name
                self._queue(transaction, words)
        self._flush()
        session.refresh()

    def _to_queue_at_once(self, words: list[bytes]) -> Command | None:
        """The row of a command that `_accept` would only queue, as nearly all in a transaction."""
        session = self._session
        row = spelled(words[0])
        is_queued = (
            row is not None
            and row.is_plain
            and not row.subcommands
            and arity_accepts(row.arity, len(words))
            and session.authenticated
            and not session.is_restricted
            and not session.is_monitor
            and session.reply_mode is ReplyMode.ON
            and not self._runtime.pauses.is_on
            and not self._run
        )
        return row if is_queued else None

    def _queue(self, transaction: Transaction, words: list[bytes]) -> None:
        if transaction.add(words):
            self._answer(reply.QUEUED)
        else:
            self._outlet.exceed_query_limit()

    def _accept(self, words: list[bytes]) -> None:
        session = self._session
        is_silent = session.reply_mode is not ReplyMode.ON
        if is_silent:
            self._flush()
            if session.reply_mode is ReplyMode.SKIP:
                session.reply_mode = ReplyMode.SKIPPING
        self._judge(words)
        if is_silent or session.reply_mode is not ReplyMode.ON:
            self._flush()
            if session.reply_mode is ReplyMode.SKIPPING:
                # One that has to wait comes here once more.
                is_over = not self._outlet.is_postponed
                session.reply_mode = ReplyMode.ON if is_over else ReplyMode.SKIP
        if session.close_after_reply:
            self._flush()
            self._outlet.close_when_answered()

    def _judge(self, words: list[bytes]) -> None:
        """Refuse, queue or run a command."""
        runtime, session = self._runtime, self._session
        transaction = session.transaction
        if is_cross_protocol(words[0]):
            runtime.cross_protocol.warn(session, session.last_interaction_ns)
            session.close_after_reply = True
            self._outlet.abort()
            return
        try:
            refusal = runtime.refuse(session, words)
            if refusal is not None:
                raise refusal
            resolved = judge(runtime, session, words)
            refusal = monitor_refusal(session, resolved)
            if refusal is not None:
                reject(runtime, resolved, refusal)
                raise refusal
            if runtime.pauses.holds(resolved, transaction.commands if transaction else ()):
                self._outlet.postpone(words)
                return
            if transaction is not None and resolved.name not in _NEVER_QUEUED:
                if "no_multi" in resolved.row.flags:
                    error = ReplyError("ERR Command not allowed inside a transaction")
                    reject(runtime, resolved, error)
                    raise error
                self._queue(transaction, words)
                return
        except ReplyError as error:
            if transaction is not None:
                transaction.break_off()
            self._answer(reply.error(error.text))
            if words[0].lower() == b"exec":
                self.forget_transaction()
            self._end_caching(words)
            return
        if runtime.monitors and resolved.name == "exec":
            self._show_transaction()
        if resolved.row.where == "storage":
            self._store(resolved, words)
        elif resolved.name in _TRANSACTIONS:
            self._flush()
            started_ns = perf_counter_ns()
            _TRANSACTIONS[resolved.name](self)
            runtime.statistics.of_command(resolved.name).ran(perf_counter_ns() - started_ns)
        else:
            if resolved.name == "reset":
                self.forget_transaction()
            self._run_here(resolved, words)
        if runtime.monitors:
            runtime.monitors.show(session, words)
        self._end_caching(words)

    def _show_transaction(self) -> None:
        """Let monitors see what EXEC is about to run, as far as it is known that it will."""
        session, transaction = self._session, self._session.transaction
        if transaction is not None and not (transaction.is_broken or session.watching.is_broken):
            for words in transaction.commands:
                self._runtime.monitors.show(session, words)

    def _end_caching(self, words: list[bytes]) -> None:
        """CLIENT CACHING was for this command, or for the transaction that it ends."""
        session = self._session
        tracking = session.tracking
        if tracking is None or not tracking.is_caching or session.transaction is not None:
            return
        if words[0].lower() != b"client":
            self._flush()
            tracking.is_caching = False
            session.refresh()

    # ---- for the storage runtime

    def _store(self, resolved: Resolved, words: list[bytes]) -> None:
        session = self._session
        if resolved.name == "watch":
            if session.transaction is not None:
                self._runtime.statistics.of_command("watch").calls += 1
                self._refuse("watch", "ERR WATCH inside MULTI is not allowed")
                return
            session.watching.add(session.db, words[1:])
        elif resolved.name == "unwatch":
            session.watching.clear()
        if is_blocking(resolved, words):
            self._flush()
            slot = self._slot([words])
            self._outlet.submit_blocking(slot)
            return
        if self._answers or self._run_flags != session.run_flags:
            self._flush()
        self._run_flags = session.run_flags
        self._run.append(words)

    def _slot(self, commands: list[list[bytes]], flags: int = 0) -> Slot:
        slot = self._outlet.slot(commands)
        slot.flags = self._session.run_flags | flags
        if self._session.is_restricted:
            slot.user = self._session.user
        return slot

    def _flush(self) -> None:
        """Let what was gathered so far take its place in the line of replies."""
        if self._run:
            commands, self._run = self._run, []
            self._outlet.submit(self._slot(commands))
        elif self._answers:
            answers, self._answers = self._answers, []
            self._outlet.slot([]).complete(b"".join(answers))

    def _answer(self, encoded: bytes) -> None:
        if self._run:
            self._flush()
        self._answers.append(encoded)

    def _refuse(self, name: str, text: str) -> None:
        """Let a command fail that is out of place."""
        statistics = self._runtime.statistics
        statistics.of_command(name).failed_calls += 1
        statistics.count_error(text)
        self._answer(reply.error(text))

    # ---- for this runtime

    def _run_here(self, resolved: Resolved, words: list[bytes]) -> None:
        if resolved.name in _ORDERED and self._must_wait(resolved.name):
            self._flush()
            slot = self._outlet.slot([])
            if resolved.name in _SUBSCRIBING:
                # Confirmations are sent like messages, also while replies are switched off.
                slot.is_silent = False
            self._outlet.do_in_turn(slot, lambda: self._complete(slot, resolved, words))
            if slot.reply is None and resolved.name not in _PUBLISHING:
                self._outlet.hold_until_answered(slot)
            return
        if self._run or resolved.name == "client|reply":
            # Before the session changes: they belong to the database that is selected now, and
            # are sent or not as the mode is now.
            self._flush()
        answer = run(self._runtime, self._session, resolved, words)
        if isinstance(answer, bytes):
            self._answer(answer)
        else:
            self._flush()
            slot = self._outlet.slot([])
            if resolved.name in _PUBLISHING:
                self._note_publishing(slot)
            if resolved.name not in _PUBLISHING or self._published >= _PUBLISHED_MAX:
                # What comes behind waits: a client asks other processes one thing at a time.
                self._outlet.hold_until_answered(slot)
            self._outlet.answer_later(slot, answer)

    def _must_wait(self, name: str) -> bool:
        """Whether a command is run only when all earlier replies have left.

        Other network processes are to find done what its connection sent before.
        """
        if name in _PUBLISHING:
            return not self._is_in_turn
        if self._runtime.spanning is not None and name in RULES:
            return bool(self._run) or self._outlet.replies_owed > 0
        return name in _BARRIERS

    def _note_publishing(self, slot: Slot) -> None:
        """Count a message on its way, which does not keep the next one waiting."""
        self._published += 1

        def end(encoded: bytes) -> bytes:
            self._published -= 1
            return encoded

        slot.convert = end

    @property
    def _is_in_turn(self) -> bool:
        """No reply is owed but to messages, and none of these would have to follow its reply.

        The usual case: it saves a publisher a fifth of what a PUBLISH costs here.
        """
        subscriptions = self._session.subscriptions
        if self._run or subscriptions is not None:
            return False
        return self._outlet.replies_owed == self._published

    def _complete(self, slot: Slot, resolved: Resolved, words: list[bytes]) -> None:
        answer = run(self._runtime, self._session, resolved, words)
        self._session.refresh()
        if isinstance(answer, bytes):
            slot.complete(answer)
        else:
            self._outlet.answer_later(slot, answer)

    # ---- transactions

    def _multi(self) -> None:
        if self._session.transaction is not None:
            self._refuse("multi", "ERR MULTI calls can not be nested")
            return
        bytes_max = self._runtime.limits(self._session).command_bytes_max
        self._session.transaction = Transaction(bytes_max)
        self._answer(reply.OK)

    def _discard(self) -> None:
        if self._session.transaction is None:
            self._refuse("discard", "ERR DISCARD without MULTI")
            return
        self.forget_transaction()
        self._answer(reply.OK)

    def forget_transaction(self) -> None:
        """Neither queue nor watch anything any more."""
        session = self._session
        session.transaction = None
        if session.watching.keys:
            session.watching.clear()
            self._flush()
            slot = self._slot([[b"UNWATCH"]])
            slot.is_silent = True
            self._outlet.submit(slot)

    def _exec(self) -> None:
        session, transaction = self._session, self._session.transaction
        if transaction is None:
            self._refuse("exec", "ERR EXEC without MULTI")
            return
        if transaction.is_broken:
            self.forget_transaction()
            self._refuse("exec", _ABORTED)
            return
        session.transaction = None
        mixed = MixedReply(self._runtime, session, transaction.commands)
        flags = RunFlags.ATOMIC | (RunFlags.MIXED if mixed.own_commands else 0)
        if not mixed.names.isdisjoint(_ABOUT_TRACKING):
            flags |= RunFlags.TRACKED
        slot = self._slot(transaction.commands, flags)
        slot.bytes += transaction.bytes
        if mixed.own_commands:
            slot.convert = mixed.converter(slot, self._outlet.answer_later)
        if session.watching.keys:
            self._hand_over_watches(slot)
        if mixed.own_commands:
            self._outlet.hold_until_answered(slot)
        self._outlet.submit(slot)

    def _hand_over_watches(self, slot: Slot) -> None:
        """What is watched is watched until EXEC is run, be it by another storage runtime."""
        session, convert = self._session, slot.convert
        watching, session.watching = session.watching, Watching()
        session.executing.append(watching)

        def end(encoded: bytes) -> bytes | None:
            session.executing.remove(watching)
            return encoded if convert is None else convert(encoded)

        slot.convert = end


_TRANSACTIONS: Final = {
    "multi": CommandGate._multi,
    "exec": CommandGate._exec,
    "discard": CommandGate._discard,
}


def is_blocking(resolved: Resolved, words: list[bytes]) -> bool:
    """Whether a command may wait for other clients."""
    if "blocking" not in resolved.row.flags:
        return False
    if resolved.name in _BLOCKING_BY_OPTION:
        return any(word.lower() == b"block" for word in words)
    return True
