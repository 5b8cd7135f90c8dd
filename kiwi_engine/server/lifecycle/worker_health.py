"""Asks a worker at equal intervals whether it is there (shell: event loop).

It obeys `Heartbeat`: a worker that does not answer within `runtime-health-interval` is degraded,
and one that does not for `network-hang-timeout` is killed, so that another can take its place:
clients whom the system gives to it would wait for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.errors import KiwiError
from kiwi_engine.server.lifecycle.heartbeat import Heartbeat
from kiwi_engine.server.lifecycle.process_state import what_it_does
from kiwi_engine.server.lifecycle.worker_child import WorkerChild
from kiwi_engine.server.network.worker import PING

_NS_A_MS: Final = 1_000_000
_NS_A_S: Final = 1_000_000_000


class WorkerHealth:
    """Of one process. `judged` is told why it is degraded, and "" when it is well again."""

    def __init__(
        self, config: LiveConfig, child: WorkerChild, judged: Callable[[str], None]
    ) -> None:
        self._config = config
        self._child = child
        self._judged = judged
        self._heartbeat = Heartbeat()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            started_ns = monotonic_ns()
            await self._ask()
            rest_ns = self._interval_ns - (monotonic_ns() - started_ns)
            await asyncio.sleep(max(0, rest_ns) / _NS_A_S)

    @property
    def _interval_ns(self) -> int:
        return self._config.settings.runtime_health_interval * _NS_A_MS

    async def _ask(self) -> None:
        """Ask once, and judge while there is no answer."""
        self._heartbeat.asked(monotonic_ns())
        answer = asyncio.ensure_future(self._child.link.ask(PING, None))
        try:
            while not answer.done():
                await self._wait(answer)
            answer.result()
        except KiwiError:
            # It may have come late, or the process may be about to be found dead.
            self._judge()
        else:
            self._heartbeat.heard(monotonic_ns(), self._interval_ns)
            self._judged("")
        finally:
            answer.cancel()

    async def _wait(self, answer: asyncio.Future[Any]) -> None:
        """Wait until the answer is there, or late."""
        started_ns, interval_ns = monotonic_ns(), self._interval_ns
        await asyncio.wait({answer}, timeout=interval_ns / _NS_A_S)
        now_ns = monotonic_ns()
        if now_ns - started_ns >= 2 * interval_ns:
            # This process was held up itself, and could not have heard the answer.
            self._heartbeat.excuse(now_ns)
        if not answer.done():
            self._judge()

    def _judge(self) -> None:
        now_ns = monotonic_ns()
        hang_ns = self._config.settings.network_hang_timeout * _NS_A_MS
        verdict = self._heartbeat.verdict(now_ns, self._interval_ns, hang_ns)
        if verdict == "well":
            return
        why = what_it_does(self._child.process_id)
        self._judged(f"no answer to a heartbeat: {why}")
        if verdict == "hung":
            silence_ms = self._heartbeat.silence_ns(now_ns) // _NS_A_MS
            self._child.kill(f"it had not answered for {silence_ms} ms ({why})")
