"""Executing runs, at once or when the throttle lets them (shell: executing thread).

While nothing holds writers back a frame of runs is executed as a whole. While something does, reads
go on and runs with writes wait, each connection's in its order; nothing here ever blocks. A run
that has waited for most of `request-timeout` is executed with its writes refused: so each write is
made or denied, and the client knows which.

A run whose replies get too long is executed no further: the rest of it, and what its connection has
sent behind it, is returned until it is sent again (`channel.returned_runs`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from kiwi_engine.channel.frames import ReceivedRun, Run, RunFlags
from kiwi_engine.channel.returned_runs import encode_returned
from kiwi_engine.clock import monotonic_ns, wall_ms
from kiwi_engine.commands.executor import Executor
from kiwi_engine.commands.written_keys import is_write
from kiwi_engine.config.settings import Settings
from kiwi_engine.engine.engine import Engine
from kiwi_engine.errors import OverloadedError, ReplyError
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.resp import reply
from kiwi_engine.server.storage.blocked_execution import BlockedExecution
from kiwi_engine.server.storage.deferred_runs import DeferredRun, DeferredRuns
from kiwi_engine.server.storage.hot_key_watch import SAMPLE_SHIFT, HotKeyWatch

# After this share of request-timeout a run is answered: before the network runtime gives it up.
_WAIT_SHARE: Final = 0.9
# Late runs are looked for this often within a request-timeout.
_LATE_CHECKS: Final = 20
_encode_parts = msgspec.msgpack.Encoder().encode


class RunExecution:
    """Owned by the storage runtime. `refused` counts the commands that waited in vain."""

    def __init__(
        self, engine: Engine, keyspace: Keyspace, executor: Executor, settings: Settings
    ) -> None:
        self._engine = engine
        self._keyspace = keyspace
        self._executor = executor
        self.hot_keys = HotKeyWatch(executor)
        self.deferred = DeferredRuns()
        self.blocked = BlockedExecution(engine, keyspace, executor)
        self.refused = 0
        # Connections that have ended, and whose last runs are deferred.
        self._departed: set[int] = set()
        # Connections whose runs are returned.
        self._returning: set[int] = set()
        self._next_late_check_ns = 0
        self._is_finishing = False
        # Runs of the frame that is being executed, whose turn has not come.
        self._rest: Iterator[Run | ReceivedRun] = iter(())
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take over the run-time settings."""
        timeout_ns = settings.request_timeout * 1_000_000
        self._wait_max_ns = int(timeout_ns * _WAIT_SHARE)
        self._late_check_ns = timeout_ns // _LATE_CHECKS
        self.hot_keys.set_limit(settings.write_hot_key_limit)
        self._executor.reply_bytes_max = settings.channel_reply_bytes

    def execute(self, runs: Sequence[Run | ReceivedRun]) -> None:
        """Execute or defer the runs of one frame."""
        engine, execute = self._engine, self._executor.execute
        special, ready = self._execute_special, self.blocked.runs.ready
        returning = self._returning
        now_ms = wall_ms()
        if now_ms >> SAMPLE_SHIFT != self.hot_keys.sampled:
            self.hot_keys.sample(runs, now_ms)
        is_free = engine.pressure.is_free
        self._rest = rest = iter(runs)
        if not is_free() or self.deferred.commands:
            self._execute_sparingly(rest)
            return
        self.begin()
        for run in rest:
            commands = run.commands
            if run.flags or run.user or run.source in returning:
                special(run, commands, now_ms)
            else:
                replies = execute(
                    run.db, run.resp3, commands, now_ms, run.source, "", 0, run.arrived_ns
                )
                if ready or len(replies) != len(commands):
                    self._finish_run(run, commands, replies, now_ms)
                else:
                    engine.answer(run.id, b"".join(replies), len(replies))
            if engine.group_is_full():
                # In front of the end: what it finds slow leaves with the group.
                self._executor.account()
                engine.end()
                if not is_free():
                    self._execute_sparingly(rest)
                    return
                self.begin()
        self._executor.account()
        engine.end()

    def take_rest(self) -> list[Run | ReceivedRun]:
        """The runs of the frame that were to come behind the one that is being executed."""
        return list(self._rest)

    def begin(self) -> None:
        """Open a group; commands are told whether they may write in it."""
        engine = self._engine
        engine.begin()
        refusal = self._executor.refusal = engine.refusal
        is_stopped = engine.pressure.state.name == "stop"
        self._keyspace.expiry.may_write = refusal is None and not is_stopped

    def maintain(self) -> None:
        """To be called often: goes on with what was deferred, as far as it may."""
        if self.deferred.commands:
            self._execute_sparingly(())
        self.blocked.end_late()

    def forget(self, source: int) -> None:
        """A connection has ended: what it waits for is not for it any more."""
        self.blocked.forget(source)
        self.deferred.forget_wait(source)

    def forget_keys(self, source: int) -> None:
        """What a connection watches and tracks is nothing to it any more.

        But not before its last commands are executed: an EXEC among them watches.
        """
        if self.deferred.holds(source):
            self._departed.add(source)
            return
        self._departed.discard(source)
        self._returning.discard(source)
        self._executor.watched.forget(source)
        self._executor.tracker.keys.forget(source)

    def forget_all(self, is_gone: Callable[[int], bool]) -> None:
        """All of these connections have ended at once, behind their last commands."""
        known = self._returning.union(
            self.blocked.runs.sources(),
            self.deferred.sources(),
            self._executor.watched.sources(),
            self._executor.tracker.keys.sources(),
        )
        for source in filter(is_gone, known):
            self.forget(source)
            self.forget_keys(source)

    def cycle(self) -> None:
        """To be called some times a second."""
        if self.hot_keys.maintain():
            self._engine.widening.hot_share = self.hot_keys.share

    def reset_statistics(self) -> None:
        self.refused = self.hot_keys.rejected = 0
        self.deferred.reset_statistics()

    def finish(self, is_stopping: Callable[[int], bool]) -> None:
        """Execute all that waits, whatever holds writers back, and defer nothing from now on.

        For an orderly stop: what was accepted is answered. Connections that are `is_stopping` wait
        for no other clients any more.
        """
        self._is_finishing = True
        if self.deferred:
            self.begin()
            self._keyspace.expiry.may_write = self._executor.refusal is None
            while (run := self.deferred.take(may_write=True)) is not None:
                self._execute_one(run)
            self._executor.account()
            self._engine.end()
        self.blocked.finish(is_stopping)

    def _execute_sparingly(self, runs: Iterable[Run | ReceivedRun]) -> None:
        self.begin()
        self._go_on()
        deferred, now_ns = self.deferred, monotonic_ns()
        for run in runs:
            commands = run.commands
            writes = any(map(is_write, commands))
            waiting = DeferredRun(
                run.id,
                run.source,
                run.db,
                run.resp3,
                commands,
                writes,
                now_ns + self._wait_max_ns,
                run.flags,
                run.user,
                run.arrived_ns,
            )
            # Behind those who wait already, even if there is room for this write by now.
            must_wait = writes and (bool(deferred) or self._write_delay_s() > 0)
            if must_wait or deferred.holds(run.source):
                deferred.add(waiting)
            else:
                self._execute_one(waiting)
        self._executor.account()
        self._engine.end()

    def _go_on(self) -> None:
        """Execute the deferred runs whose turn has come, and deny those that are late."""
        deferred = self.deferred
        if not deferred:
            return
        while run := deferred.take(may_write=self._write_delay_s() == 0):
            self._execute_one(run)
        now_ns = monotonic_ns()
        if now_ns < self._next_late_check_ns:
            return
        self._next_late_check_ns = now_ns + self._late_check_ns
        while run := deferred.take_late(now_ns):
            self._deny(run)

    def _write_delay_s(self) -> float:
        return 0.0 if self._is_finishing else self._engine.write_delay_s()

    def _execute_one(self, run: DeferredRun) -> None:
        engine = self._engine
        self._execute_special(run, run.commands, wall_ms())
        if run.source in self._departed:
            self.forget_keys(run.source)
        if engine.group_is_full():
            engine.end()
            self.begin()

    def _execute_special(
        self, run: Run | ReceivedRun | DeferredRun, commands: list[list[bytes]], now_ms: int
    ) -> None:
        """Execute a run of any kind in the open group."""
        blocked = self.blocked
        if run.flags & RunFlags.RESUMED:
            self._returning.discard(run.source)
        if run.source in self._returning:
            self._return(run, [], len(commands))
        elif run.flags & RunFlags.BLOCKING:
            # Without a command where its client has gone while it was deferred.
            for words in commands:
                blocked.execute(run, words, now_ms)
        elif run.flags & RunFlags.ATOMIC:
            self._engine.answer(run.id, self._transact(run, commands, now_ms), 1)
        else:
            self._finish_run(run, commands, [], now_ms)
        blocked.serve(now_ms)

    def _finish_run(
        self,
        run: Run | ReceivedRun | DeferredRun,
        commands: list[list[bytes]],
        replies: list[bytes],
        now_ms: int,
    ) -> None:
        """Execute what has no reply yet, and answer; who waits is served after each command."""
        execute, blocked = self._executor.execute, self.blocked
        surroundings = now_ms, run.source, run.user, run.flags, run.arrived_ns
        room = self._executor.reply_bytes_max - sum(map(len, replies))
        blocked.serve(now_ms)
        while len(replies) < len(commands) and room >= 0:
            more = execute(run.db, run.resp3, commands[len(replies) :], *surroundings)
            replies += more
            room -= sum(map(len, more))
            blocked.serve(now_ms)
        if len(replies) == len(commands):
            self._engine.answer(run.id, b"".join(replies), len(replies))
        else:
            self._return(run, replies, len(commands))

    def _return(
        self, run: Run | ReceivedRun | DeferredRun, replies: list[bytes], count: int
    ) -> None:
        """Have the rest of a run sent again, and all that its connection has sent behind it."""
        self._returning.add(run.source)
        identity, encoded = encode_returned(run.id, len(replies), b"".join(replies))
        # Should the group fail, all of its commands are answered with the error.
        is_unit = run.flags & RunFlags.ATOMIC
        self._engine.answer(identity, encoded, 1 if is_unit else count)

    def return_until_resumed(self, sources: Iterable[int]) -> None:
        """Another storage runtime returned runs of these connections; they come in their order."""
        self._returning.update(sources)

    def _transact(
        self, run: Run | ReceivedRun | DeferredRun, commands: list[list[bytes]], now_ms: int
    ) -> bytes:
        """The one reply of a transaction."""
        try:
            replies = self._executor.transact(
                run.db, run.resp3, commands, now_ms, run.source, run.user, run.flags
            )
        except ReplyError as error:
            return reply.error(error.text)
        if replies is None:
            return reply.null_array(run.resp3)
        return _encode_parts(replies) if run.flags & RunFlags.MIXED else reply.array(replies)

    def _deny(self, run: DeferredRun) -> None:
        """Refuse the writes of a run; its reads are answered."""
        why = self._engine.pressure.state.why
        self._executor.refusal = OverloadedError(f"BUSY writes have to wait: {why}; not executed")
        self.refused += len(run.commands)
        self._execute_one(run)
        self._executor.refusal = self._engine.refusal
