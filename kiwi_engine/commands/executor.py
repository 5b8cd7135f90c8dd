"""Running commands against the keyspace (pure apart from what the store reads).

The executing thread gives it the commands of one run and gets their replies, in order. A command
that fails answers with an error and has changed nothing, be it that it met damaged bytes after its
first change; the ones after it still run.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from kiwi_engine.channel.events import Event, Monitored
from kiwi_engine.channel.frames import RunFlags
from kiwi_engine.clock import perf_counter_ns, wall_us
from kiwi_engine.commands.blocking import WouldBlock
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.errors import unknown_command, wrong_arity
from kiwi_engine.commands.misses import tell_misses
from kiwi_engine.commands.monitored import is_shown
from kiwi_engine.commands.nested import NESTED
from kiwi_engine.commands.permissions import NoPermissions, Permissions
from kiwi_engine.commands.publishing import AllSubscribers
from kiwi_engine.commands.registry import lookup, spelled
from kiwi_engine.commands.resolve import find_row
from kiwi_engine.commands.scripting.engine import VERSIONS, Scripts
from kiwi_engine.commands.slowness import Slowness
from kiwi_engine.commands.table import Command, arity_accepts
from kiwi_engine.commands.tracking.tracker import Tracker
from kiwi_engine.commands.transactions.watched_keys import WatchedKeys
from kiwi_engine.errors import CorruptionError, ReplyError
from kiwi_engine.histogram import Histogram
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.keyspace.numerals.integers import to_integer
from kiwi_engine.resp import reply
from kiwi_engine.scripting.functions.engine import FunctionEngine
from kiwi_engine.scripting.functions.registry import FunctionRegistry

logger = logging.getLogger(__name__)

# (database, command, its words, wall clock in milliseconds) -> why not, or None
Admit = Callable[[int, Command, list[bytes], int], ReplyError | None]

# Runs that are not executed as a whole.
_LOOKED_AT: Final = RunFlags.TRACKED | RunFlags.UNTOUCHED
_OVERFULL: Final = "ERR too much is written at once by one script or transaction"
# Replies up to this long are not added up: what a run gets of them is a few times its own size.
_SHORT_REPLY_BYTES: Final = 128
_NO_BOUND: Final = 2**62
INTERNAL_ERROR: Final = reply.error("ERR internal error, see the log file of the server")


class CommandUsage(msgspec.Struct):
    """What `INFO commandstats` says of one command."""

    calls: int = 0
    time_ns: int = 0
    rejected: int = 0
    failed: int = 0
    latency: Histogram = msgspec.field(default_factory=Histogram)


class Executor:
    """Owned by the executing thread.

    `refusal` is set while writes are refused, with the reason. `admit`, where set, is asked about
    each write and says why it may not run, if so. `permissions` are asked about each command that a
    transaction or script of a restricted user calls. `emit` takes events for the network runtime.
    `reply_bytes_max` is how long the replies of a run may get.
    """

    def __init__(self, keyspace: Keyspace) -> None:
        self._keyspace = keyspace
        self._contexts: dict[tuple[int, bool], Context] = {}
        self.refusal: ReplyError | None = None
        self.admit: Admit | None = None
        self.reply_bytes_max = _NO_BOUND
        self.watched = WatchedKeys(keyspace)
        # Keys that others wait for and that have changed; see `execute`.
        self.ready: Mapping[tuple[int, bytes], None] = {}
        self.subscribers = AllSubscribers()
        self.tracker = Tracker()
        # Somebody wants to see what scripts call (MONITOR).
        self.is_monitored = False
        # Whether what is to be committed at once is too much already for another nested write.
        self.is_overfull: Callable[[], bool] = lambda: False
        self.permissions: Permissions = NoPermissions()
        self.emit: Callable[[Event], None] = lambda event: None
        self.scripts = Scripts(find_row)
        self.functions = FunctionRegistry(
            keyspace.functions, lambda: FunctionEngine(self.scripts.runner, VERSIONS)
        )
        self.slowness = Slowness()
        # The first words of the row that is timed, their source and arrival.
        self._row: tuple[list[bytes], int, int] = ([], 0, 0)
        # The command that the clock runs for, how often it ran, and since when.
        self._timed: Command | None = None
        self._counted = 0
        self._started_ns = 0
        self.usage: dict[str, CommandUsage] = {}
        self.errors: dict[str, int] = {}

    def execute(
        self,
        db: int,
        resp3: bool,
        commands: list[list[bytes]],
        now_ms: int,
        source: int = 0,
        user: str = "",
        flags: int = 0,
        arrived_ns: int = 0,
    ) -> list[bytes]:
        """The encoded reply of each command, in order, up to the first that makes keys `ready`.

        Who waits for those is to be served before the others are run. It also ends where the
        replies together exceed `reply_bytes_max`. `now_ms` is the wall clock of the run. With
        `RunFlags.BLOCKING` the one command may raise `WouldBlock`.
        """
        if flags & _LOOKED_AT:
            return self._execute_singly(db, resp3, commands, now_ms, source, user, flags)
        context = self._context(db, resp3, now_ms, source, user)
        context.may_block = flags & RunFlags.BLOCKING != 0
        replies: list[bytes] = []
        # Bound because this loop is the hot path: 0.06 us of 1 us a command.
        add, find = replies.append, spelled
        is_checked = self.refusal is not None or self.admit is not None
        if context.observer is not None and context.observer.wants_misses:
            is_checked = True
        timed, counted = self._timed, self._counted
        keyspace = self._keyspace
        may_undo = timed is not None and timed.may_undo
        times_each, ready = self.slowness.times_each, self.ready
        room = self.reply_bytes_max
        for words in commands:
            if ready:
                break
            command = find(words[0]) or lookup(words[0])
            # One reading of the clock for a row of equal commands: time is exact for their sum.
            if command is not timed or times_each:
                self._counted = counted
                self.account()
                self._row = (words, source, arrived_ns)
                timed = self._timed = command
                counted = 0
                may_undo = command is not None and command.may_undo
                keyspace.keep_undo(may_undo)
            if may_undo:
                keyspace.forget_undo()
            try:
                count = len(words)
                if (
                    is_checked
                    or command is None
                    or (command.arity != count and not -count <= command.arity < 0)
                ):
                    self._check(command, words, db, now_ms)
                counted += 1
                encoded = command.handler(context, words)  # type: ignore[union-attr,misc]
                add(encoded)
                if len(encoded) > _SHORT_REPLY_BYTES:
                    room -= len(encoded)
                    if room < 0:
                        break
            except WouldBlock:
                # It counts when it is done.
                self._counted = counted - 1
                raise
            except Exception as error:  # noqa: BLE001 - logged
                add(self._failed(command, words, error))
        self._counted = counted
        return replies

    def _execute_singly(
        self,
        db: int,
        resp3: bool,
        commands: list[list[bytes]],
        now_ms: int,
        source: int,
        user: str,
        flags: int,
    ) -> list[bytes]:
        """As `execute`, for runs whose reads are remembered, or are no uses of their keys."""
        replies: list[bytes] = []
        room = self.reply_bytes_max
        with self._looking(source, flags):
            for words in commands:
                replies += self.execute(
                    db, resp3, [words], now_ms, source, user, flags & ~_LOOKED_AT
                )
                # Behind it: it may have found that the key it reads has expired, which is a change.
                self.tracker.read(words)
                room -= len(replies[-1])
                if self.ready or room < 0:
                    break
        return replies

    @contextlib.contextmanager
    def _looking(self, source: int, flags: int) -> Iterator[None]:
        """Have it remembered what is read, or not counted, as the flags of the run say."""
        if flags & RunFlags.TRACKED:
            self.tracker.begin(source)
        if flags & RunFlags.UNTOUCHED:
            self._keyspace.count_uses(False)
        try:
            yield
        finally:
            if flags & RunFlags.UNTOUCHED:
                self._keyspace.count_uses(True)
            self.tracker.end()

    def transact(
        self,
        db: int,
        resp3: bool,
        commands: list[list[bytes]],
        now_ms: int,
        source: int = 0,
        user: str = "",
        flags: int = 0,
    ) -> list[bytes] | None:
        """The replies of the commands of a transaction; empty for the network runtime's own.

        SELECT is one of those, and holds for the commands behind it. None where a key that `source`
        watches has changed; it watches nothing afterwards. Raises `ReplyError`, and runs nothing,
        where one of the commands is a write and writes are refused.
        """
        # Its commands are booked one by one, and not on the row in front of them.
        self.account()
        may_run = self.watched.may_run(source, now_ms)
        self.watched.forget(source)
        if not may_run:
            return None
        rows = [lookup(words[0]) for words in commands]
        if self.refusal is not None and any(map(_is_refusable, rows)):
            raise ReplyError(f"EXECABORT Transaction discarded because of: {self.refusal.text}")
        with self._looking(source, flags):
            return self._transact(rows, db, resp3, commands, now_ms, source, user)

    def _transact(
        self,
        rows: list[Command | None],
        db: int,
        resp3: bool,
        commands: list[list[bytes]],
        now_ms: int,
        source: int,
        user: str,
    ) -> list[bytes]:
        context = self._context(db, resp3, now_ms, source, user).nested()
        replies: list[bytes] = []
        for row, words in zip(rows, commands, strict=True):
            if row is None or row.where == "storage":
                replies.append(self.call(context, words, in_script=False))
                continue
            if row.name == "select":
                index = to_integer(words[1])
                if index is not None and 0 <= index < self._keyspace.database_count:
                    context.db = self._keyspace.database(index)
            replies.append(b"")
        return replies

    def call(self, context: Context, words: list[bytes], *, in_script: bool = True) -> bytes:
        """The encoded reply of one command inside a script, or else a transaction."""
        command = spelled(words[0]) or lookup(words[0])
        keyspace = self._keyspace
        keyspace.keep_undo(True)
        was_run = False
        started_ns = perf_counter_ns()
        try:
            self._check(command, words, context.db.index, context.now_ms)
            assert command is not None, "checked"
            if self.is_overfull() and _is_refusable(command):
                raise ReplyError(_OVERFULL)
            if context.user:
                denial = self.permissions.permit(context.source, context.user, words, in_script)
                if denial is not None:
                    raise denial
            handler = command.handler or NESTED[command.name]
            usage = self._usage(command)
            usage.calls += 1
            was_run = True
            encoded = handler(context, words)
            duration_ns = perf_counter_ns() - started_ns
            usage.time_ns += duration_ns
            usage.latency.record_ns(duration_ns)
            if duration_ns >= self.slowness.threshold_ns and not in_script:
                self._row, self._counted = (words, context.source, 0), 1
                self._tell_slow(command, duration_ns)
        except Exception as error:  # noqa: BLE001 - logged
            encoded = self._failed(command, words, error)
        if was_run:
            self._after_call(context, words, in_script=in_script)
        # What it changed stays, whatever becomes of the one who called it.
        keyspace.forget_undo()
        return encoded

    def _after_call(self, context: Context, words: list[bytes], *, in_script: bool) -> None:
        """A command of a script or a transaction was run, if only to fail."""
        if self.tracker.reader:
            self.tracker.read(words)
        if self.is_monitored and in_script and is_shown(words):
            self.emit(Monitored(wall_us(), context.db.index, words, context.source))

    def account(self) -> None:
        """Book the time since the last change of command; call it when a row of runs is done."""
        now_ns = perf_counter_ns()
        if self._timed is not None and self._counted:
            duration_ns = now_ns - self._started_ns
            usage = self._usage(self._timed)
            usage.calls += self._counted
            usage.time_ns += duration_ns
            usage.latency.record_ns(duration_ns, self._counted)
            if duration_ns >= self.slowness.threshold_ns:
                self._tell_slow(self._timed, duration_ns)
        self._timed, self._counted, self._started_ns = None, 0, now_ns
        self._keyspace.keep_undo(False)

    def _tell_slow(self, command: Command, duration_ns: int) -> None:
        words, source, arrived_ns = self._row
        self.slowness.tell(
            self.emit, command, words, self._counted, duration_ns, source, arrived_ns
        )

    def reset_statistics(self) -> None:
        self.usage.clear()
        self.errors.clear()

    def _context(self, db: int, resp3: bool, now_ms: int, source: int, user: str) -> Context:
        """The surroundings of what `source` sends now, for `user`."""
        context = self._contexts.get((db, resp3))
        if context is None:
            database = self._keyspace.database(db)
            context = self._contexts[db, resp3] = Context(self._keyspace, database, 0, resp3, self)
        context.now_ms = now_ms
        context.source, context.user = source, user
        context.observer = self._keyspace.observation.observer
        if context.observer is not None:
            self.tracker.by = source
        self._keyspace.accesses.advance(now_ms)
        return context

    def _check(self, command: Command | None, words: list[bytes], db: int, now_ms: int) -> None:
        """Raise what keeps a command from running, if anything does."""
        if command is None or (command.handler is None and command.name not in NESTED):
            raise unknown_command(words)
        if not arity_accepts(command.arity, len(words)):
            self._usage(command).rejected += 1
            raise wrong_arity(command.name)
        observer = self._keyspace.observation.observer
        if observer is not None and observer.wants_misses:
            tell_misses(observer, self._keyspace.database(db), words, now_ms)
        if not _is_refusable(command):
            return
        refusal = self.refusal
        if refusal is None and self.admit is not None:
            refusal = self.admit(db, command, words, now_ms)
        if refusal is not None:
            self._usage(command).rejected += 1
            raise refusal

    def _failed(self, command: Command | None, words: list[bytes], error: Exception) -> bytes:
        """Take back what a command has changed; its error reply."""
        self._keyspace.undo()
        if isinstance(error, CorruptionError):
            logger.error("%s: %s", words[0], error)
            error = ReplyError(f"ERR corruption: {error}")
        elif not isinstance(error, ReplyError):
            logger.error("command %r failed", words[0], exc_info=error)
            return INTERNAL_ERROR
        kind = error.text.partition(" ")[0]
        self.errors[kind] = self.errors.get(kind, 0) + 1
        if command is not None:
            self._usage(command).failed += 1
        return reply.error(error.text)

    def _usage(self, command: Command) -> CommandUsage:
        usage = self.usage.get(command.name)
        if usage is None:
            usage = self.usage[command.name] = CommandUsage()
        return usage


def _is_refusable(command: Command | None) -> bool:
    """Whether it cannot run while writes are refused; what a script calls is asked one by one."""
    return command is not None and command.is_write and not command.runs_script
