"""What happens around a script that takes long (shell: executing thread).

The interpreter calls back now and then; here the channel is read meanwhile. Other runs are answered
BUSY, but for SCRIPT KILL, FUNCTION KILL and FUNCTION STATS; questions that change nothing are
answered; everything else is kept until the script is over. The network runtime is told, so that it
stops the clocks of requests.

When the channel ends, the server is stopping. A script that has written nothing is killed then. One
that has must be whole or not at all, and will perhaps never end: so this process ends instead, and
what the script has done is lost with it, as it is in Redis.

In `runtime-mode single` nobody can be heard while a script runs. So a script is killed when others
would be answered BUSY, unless it has written.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from kiwi_engine.channel.events import Event, ScriptIsSlow
from kiwi_engine.channel.frames import Query, ReceivedRequest, ReceivedRun, RunFlags
from kiwi_engine.channel.queries import ANSWERED_AT_ONCE
from kiwi_engine.commands.executor import Executor
from kiwi_engine.commands.scripting.function_container import stats_reply
from kiwi_engine.config.settings import Settings
from kiwi_engine.resp import reply
from kiwi_engine.scripting.runner import BUSY_FUNCTION, BUSY_SCRIPT
from kiwi_engine.server.storage.run_execution import RunExecution

logger = logging.getLogger(__name__)

Answer = tuple[int, str, Any]
Send = Callable[[list[tuple[int, bytes]], list[Answer]], None]
# Requests that have arrived; None once there will be no more.
Receive = Callable[[], list[ReceivedRequest] | None]

# The network runtime is told after this part of request-timeout: before it gives a request up.
_SLOW_SHARE: Final = 4
_EXIT_CODE: Final = 1


class ScriptWatch:
    """`receive` gets what is in the channel without waiting; None: there is no other process.

    `tell` sends an event at once: the group is not closed before the script is over. `answer`
    answers a query.
    """

    def __init__(
        self,
        executor: Executor,
        runs: RunExecution,
        send: Send,
        tell: Callable[[Event], None],
        answer: Callable[[Query], Answer],
    ) -> None:
        self._executor = executor
        self._runner = executor.scripts.runner
        self._runs = runs
        self._send = send
        self._answer = answer
        self.receive: Receive | None = None
        self._later: list[ReceivedRequest] = []
        self._runner.on_busy = self._look_around
        self._runner.on_slow = lambda is_slow: tell(ScriptIsSlow(is_slow))

    def configure(self, settings: Settings) -> None:
        """Take over the run-time settings."""
        runner = self._runner
        runner.memory_bytes_max = settings.lua_memory_max
        runner.busy_after_ms = settings.busy_reply_threshold
        slow_after_ms = settings.request_timeout // _SLOW_SHARE
        runner.slow_after_ms = min(slow_after_ms, runner.busy_after_ms or slow_after_ms)

    def take_later(self) -> list[ReceivedRequest]:
        """What arrived during a script and was not answered, in order."""
        later, self._later = self._later, []
        return later

    def _look_around(self) -> None:
        run = self._runner.current
        assert run is not None, "called by a script"
        if self.receive is None:
            run.is_killed = not run.has_written
            return
        # In frames from another process all runs are received ones.
        rest = cast(list[ReceivedRun], self._runs.take_rest())
        if rest:
            self._take(ReceivedRequest(rest, []))
        requests = self.receive()
        if requests is None:
            self._end()
            return
        for request in requests:
            self._take(request)

    def _take(self, request: ReceivedRequest) -> None:
        """Answer what can be answered; keep the rest."""
        kept = ReceivedRequest([], [], request.gone, [], request.ended)
        for received in request.runs:
            answer = self._answer_run(received)
            if answer is None:
                kept.runs.append(received)
            else:
                self._send([(received.id, answer)], [])
        for query in request.queries:
            if query.method in ANSWERED_AT_ONCE:
                self._send([], [self._answer(query)])
            else:
                kept.queries.append(query)
        if kept.runs or kept.queries or kept.gone or kept.ended:
            self._later.append(kept)

    def _answer_run(self, run: ReceivedRun) -> bytes | None:
        """BUSY for each command; None for a run that has to wait."""
        current = self._runner.current
        assert current is not None, "called by a script"
        if run.source == current.source:
            # Behind the script in its own connection.
            return None
        busy = BUSY_FUNCTION if current.is_function else BUSY_SCRIPT
        if run.flags & RunFlags.ATOMIC:
            self._executor.watched.forget(run.source)
            why = busy[1:-2].decode()
            return reply.error(f"EXECABORT Transaction discarded because of: {why}")
        return b"".join(self._answer_command(words, busy, run.resp3) for words in run.commands)

    def _answer_command(self, words: Sequence[bytes], busy: bytes, resp3: bool) -> bytes:
        current = self._runner.current
        match [word.lower() for word in words]:
            case [b"script", b"kill"]:
                return self._runner.kill(is_function=False)
            case [b"function", b"kill"]:
                return self._runner.kill(is_function=True)
            case [b"function", b"stats"] if current is not None and current.is_function:
                return stats_reply(self._executor.functions, current, resp3)
        return busy

    def _end(self) -> None:
        """There is nobody any more who could want to know what the script answers."""
        run = self._runner.current
        assert run is not None, "called by a script"
        if not run.has_written:
            run.is_killed = True
            return
        logger.warning("stopping in the middle of a script that has written: it is not committed")
        os._exit(_EXIT_CODE)
