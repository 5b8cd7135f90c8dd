"""Letting commands wait, and running them again when what they wait for may be there (shell).

A waiting command is run in the same group as the change that made its key ready. So what it takes
is durable before it is handed over, together with the change; and if the storage process dies, no
command that waits can have been served unless the reply to that change is missing, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kiwi_engine.channel.events import Waits
from kiwi_engine.channel.frames import ReceivedRun, Run
from kiwi_engine.clock import monotonic_ns
from kiwi_engine.commands.blocking import WouldBlock
from kiwi_engine.commands.executor import Executor
from kiwi_engine.engine.engine import Engine
from kiwi_engine.keyspace.encoding import kind_of
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.resp import reply
from kiwi_engine.server.storage.blocked_runs import BlockedRun, BlockedRuns, Place, blocked_run
from kiwi_engine.server.storage.deferred_runs import DeferredRun

_UNBLOCKED: Final = reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK")
# In an orderly stop the network runtime closes the connection, as Redis does, without a word.
_NOTHING: Final = b""


class BlockedExecution:
    """Owned by `RunExecution`. `on_waiting` is told when the first run waits, and when none does,
    `on_answer` which of those that waited is answered with the group.

    `execute` and `serve` need an open group.
    """

    def __init__(self, engine: Engine, keyspace: Keyspace, executor: Executor) -> None:
        self._engine = engine
        self._keyspace = keyspace
        self._executor = executor
        self.runs = BlockedRuns()
        executor.ready = self.runs.ready
        self.on_waiting: Callable[[], None] = lambda: None
        self.on_answer: Callable[[int], None] = lambda run: None
        # Whether a connection belongs to a network process that stops.
        self._is_stopping: Callable[[int], bool] = lambda source: False

    def execute(
        self, run: Run | ReceivedRun | DeferredRun, words: list[bytes], now_ms: int
    ) -> None:
        """Run a command, or let it wait."""
        try:
            (encoded,) = self._executor.execute(
                run.db,
                run.resp3,
                [words],
                now_ms,
                run.source,
                run.user,
                run.flags,
                run.arrived_ns,
            )
        except WouldBlock as wait:
            if self._is_stopping(run.source):
                self._engine.answer(run.id, _NOTHING, 1)
                return
            blocked = blocked_run(
                run.id, run.source, run.db, run.resp3, run.user, run.flags, run.arrived_ns, wait
            )
            self.runs.add(blocked)
            self._executor.emit(Waits(run.id, wait.words))
            if len(self.runs) == 1:
                self.on_waiting()
        else:
            self._engine.answer(run.id, encoded, 1)

    def serve(self, now_ms: int) -> None:
        """Run what waits for keys that have changed; to be called after each command or unit."""
        ready, executor = self.runs.ready, self._executor
        if not ready:
            return
        # What is run here makes keys ready, too, and stops for nothing.
        executor.ready = {}
        try:
            while (place := self.runs.pop_ready()) is not None:
                self._serve_at(place, now_ms)
        finally:
            executor.ready = ready
        executor.account()

    def _serve_at(self, place: Place, now_ms: int) -> None:
        kind = self._kind_at(place, now_ms)
        in_vain: set[object] = set()
        for run in self.runs.candidates(place, kind):
            if run.alike is not None and run.alike in in_vain:
                continue
            if not self._run_again(run, now_ms):
                in_vain.add(run.alike)
            elif self._kind_at(place, now_ms) != kind:
                # That was a change, too: the key is ready again.
                return

    def _kind_at(self, place: Place, now_ms: int) -> int | None:
        head = self._keyspace.database(place.db).head(place.key, now_ms)
        return None if head is None else kind_of(head)

    def _run_again(self, run: BlockedRun, now_ms: int) -> bool:
        """Whether it is answered."""
        try:
            (encoded,) = self._executor.execute(
                run.db, run.resp3, [run.words], now_ms, run.source, run.user, run.flags
            )
        except WouldBlock:
            return False
        self._answer(run, encoded)
        return True

    def _answer(self, run: BlockedRun, encoded: bytes) -> None:
        self.runs.remove(run)
        self.on_answer(run.id)
        self._engine.answer(run.id, encoded, 1)
        if not self.runs:
            self.on_waiting()

    # ---- what ends the wait without a change

    def forget(self, source: int) -> None:
        """A connection has ended; nobody wants what it waits for."""
        run = self.runs.of_source(source)
        if run is not None:
            self.runs.remove(run)
            if not self.runs:
                self.on_waiting()

    def unblock(self, source: int, *, with_error: bool) -> bool:
        """Answer a run as if its time were over, or with an error; whether it waited."""
        run = self.runs.of_source(source)
        if run is None:
            return False
        self._engine.begin()
        self._answer(run, _UNBLOCKED if with_error else run.on_timeout)
        self._engine.end()
        return True

    def end_late(self) -> None:
        """Answer those whose time is over."""
        now_ns = monotonic_ns()
        run = self.runs.pop_late(now_ns)
        if run is None:
            return
        self._engine.begin()
        while run is not None:
            self._engine.answer(run.id, run.on_timeout, 1)
            run = self.runs.pop_late(now_ns)
        self._engine.end()
        if not self.runs:
            self.on_waiting()

    def finish(self, is_stopping: Callable[[int], bool]) -> None:
        """Answer those connections with nothing; from now on none of them waits."""
        self._is_stopping = is_stopping
        stopping = [run for run in self.runs.all() if is_stopping(run.source)]
        if not stopping:
            return
        self._engine.begin()
        for run in stopping:
            self._answer(run, _NOTHING)
        self._engine.end()
