"""Running commands against the keyspace (pure apart from what the store reads).

The executing thread gives it the commands of one run and gets their replies, in order. A command
that fails answers with an error and has changed nothing, be it that it met damaged bytes after its
first change; the ones after it still run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import msgspec

from kiwi_engine.clock import perf_counter_ns
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.errors import unknown_command, wrong_arity
from kiwi_engine.commands.registry import lookup, spelled
from kiwi_engine.commands.table import Command, arity_accepts
from kiwi_engine.errors import CorruptionError, ReplyError
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.resp import reply

logger = logging.getLogger(__name__)

# (database, command, its words, wall clock in milliseconds) -> why not, or None
Admit = Callable[[int, Command, list[bytes], int], ReplyError | None]

INTERNAL_ERROR: Final = reply.error("ERR internal error, see the log file of the server")


class CommandUsage(msgspec.Struct):
    """What `INFO commandstats` says of one command."""

    calls: int = 0
    time_ns: int = 0
    rejected: int = 0
    failed: int = 0


class Executor:
    """Owned by the executing thread.

    `refusal` is set while writes are refused, with the reason. `admit`, where set, is asked about
    each write and says why it may not run, if so.
    """

    def __init__(self, keyspace: Keyspace) -> None:
        self._keyspace = keyspace
        self._contexts: dict[tuple[int, bool], Context] = {}
        self.refusal: ReplyError | None = None
        self.admit: Admit | None = None
        # The command that the clock runs for, how often it ran, and since when.
        self._timed: Command | None = None
        self._counted = 0
        self._started_ns = 0
        self.usage: dict[str, CommandUsage] = {}
        self.errors: dict[str, int] = {}

    def execute(
        self, db: int, resp3: bool, commands: list[list[bytes]], now_ms: int
    ) -> list[bytes]:
        """The encoded reply of each command, in order. `now_ms` is the wall clock of the run."""
        context = self._context(db, resp3, now_ms)
        replies: list[bytes] = []
        # Bound because this loop is the hot path: 0.06 us of 1 us a command.
        add, find = replies.append, spelled
        is_checked = self.refusal is not None or self.admit is not None
        timed, counted = self._timed, self._counted
        keyspace = self._keyspace
        may_undo = timed is not None and timed.may_undo
        for words in commands:
            command = find(words[0]) or lookup(words[0])
            # One reading of the clock for a row of equal commands: time is exact for their sum.
            if command is not timed:
                self._counted = counted
                self.account()
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
                add(command.handler(context, words))  # type: ignore[union-attr,misc]
            except ReplyError as error:
                add(self._failed(command, error))
            except CorruptionError as error:
                logger.error("%s: %s", words[0], error)
                add(self._failed(command, ReplyError(f"ERR corruption: {error}")))
            except Exception:
                logger.exception("command %r failed", words[0])
                keyspace.undo()
                add(INTERNAL_ERROR)
        self._counted = counted
        return replies

    def account(self) -> None:
        """Book the time since the last change of command; call it when a row of runs is done."""
        now_ns = perf_counter_ns()
        if self._timed is not None:
            usage = self._usage(self._timed)
            usage.calls += self._counted
            usage.time_ns += now_ns - self._started_ns
        self._timed, self._counted, self._started_ns = None, 0, now_ns
        self._keyspace.keep_undo(False)

    def reset_statistics(self) -> None:
        self.usage.clear()
        self.errors.clear()

    def _context(self, db: int, resp3: bool, now_ms: int) -> Context:
        context = self._contexts.get((db, resp3))
        if context is None:
            database = self._keyspace.database(db)
            context = self._contexts[db, resp3] = Context(self._keyspace, database, 0, resp3)
        context.now_ms = now_ms
        self._keyspace.accesses.advance(now_ms)
        return context

    def _check(self, command: Command | None, words: list[bytes], db: int, now_ms: int) -> None:
        """Raise what keeps a command from running, if anything does."""
        if command is None or command.handler is None:
            raise unknown_command(words)
        if not arity_accepts(command.arity, len(words)):
            self._usage(command).rejected += 1
            raise wrong_arity(command.name)
        if not command.is_write:
            return
        refusal = self.refusal
        if refusal is None and self.admit is not None:
            refusal = self.admit(db, command, words, now_ms)
        if refusal is not None:
            self._usage(command).rejected += 1
            raise refusal

    def _failed(self, command: Command | None, error: ReplyError) -> bytes:
        self._keyspace.undo()
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
