"""Asks the storage runtime at equal intervals whether it is there (shell: event loop).

It obeys `Heartbeat`: an answer that does not come within `runtime-health-interval` makes the
storage runtime degraded, and the next one running again. Asked is the query `ping`, which the
executing thread answers; so whoever answers can serve.

The event loop that asks may be held up itself. Then nothing is held against the storage runtime,
and the network runtime is the one that is degraded, until the next beat is in time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.errors import ChannelClosedError, KiwiError
from kiwi_engine.server.lifecycle.heartbeat import Heartbeat
from kiwi_engine.server.lifecycle.process_state import what_it_does
from kiwi_engine.server.lifecycle.state_log import StateLog
from kiwi_engine.server.lifecycle.states import RuntimeName
from kiwi_engine.server.network.storage_client import StorageClient

logger = logging.getLogger(__name__)

_GRACE_S: Final = 0.02
_NS_A_MS: Final = 1_000_000
_NS_A_S: Final = 1_000_000_000


class HealthWatch:
    """`process_id` says who is watched, None while nobody is; `end_hung` ends who hangs."""

    def __init__(
        self,
        config: LiveConfig,
        client: StorageClient,
        states: StateLog,
        process_id: Callable[[], int | None],
        end_hung: Callable[[str], None],
    ) -> None:
        self._config = config
        self._client = client
        self._states = states
        self._process_id = process_id
        self._end_hung = end_hung
        self.heartbeat = Heartbeat()

    async def run(self) -> None:
        """Until it is cancelled; over the death of storage runtimes and the start of others."""
        while True:
            started_ns = monotonic_ns()
            try:
                if self._client.is_connected:
                    await self._ask()
            except Exception:
                # A bug here must neither go unseen nor end the watch.
                logger.exception("a heartbeat failed")
            rest_ns = self._interval_ns - (monotonic_ns() - started_ns)
            await self._wait(None, max(0, rest_ns))

    def facts(self) -> dict[str, Any]:
        """For INFO."""
        heartbeat, now_ns = self.heartbeat, monotonic_ns()
        heard_ns = heartbeat.heard_ns
        return {
            "heartbeats_answered": heartbeat.answered,
            "heartbeats_late": heartbeat.late,
            "heartbeat_latency_us": heartbeat.last_ns // 1000,
            "heartbeat_latency_us_peak": heartbeat.peak_ns // 1000,
            "heartbeat_age_ms": -1 if heard_ns is None else (now_ns - heard_ns) // _NS_A_MS,
            "heartbeat_silence_ms": heartbeat.silence_ns(now_ns) // _NS_A_MS,
        }

    @property
    def _interval_ns(self) -> int:
        return self._config.settings.runtime_health_interval * _NS_A_MS

    @property
    def _hang_ns(self) -> int:
        return self._config.settings.storage_hang_timeout * _NS_A_MS

    async def _ask(self) -> None:
        """Ask until there is an answer, or nobody to ask."""
        self.heartbeat.asked(monotonic_ns())
        try:
            while not await self._is_answered():
                pass
        except ChannelClosedError:
            self.heartbeat.forget()

    async def _is_answered(self) -> bool:
        """Ask once, and wait as long as the client does."""
        answer = asyncio.ensure_future(self._client.query("ping", {}))
        try:
            while not answer.done():
                await self._wait(answer, self._patience_ns())
                if not answer.done():
                    self._judge()
            answer.result()
        except ChannelClosedError:
            raise
        except KiwiError:
            # The client's own patience may be shorter; it must not be asked without a pause.
            await self._wait(None, self._patience_ns())
            self._judge()
            return False
        finally:
            answer.cancel()
        self.heartbeat.heard(monotonic_ns(), self._interval_ns)
        self._become_running("storage")
        return True

    def _judge(self) -> None:
        now_ns = monotonic_ns()
        verdict = self.heartbeat.verdict(now_ns, self._interval_ns, self._hang_ns)
        process_id = self._process_id()
        if verdict == "well" or process_id is None or not self._client.is_connected:
            return
        why = what_it_does(process_id)
        self._states.become("storage", "degraded", f"no answer to a heartbeat: {why}")
        if verdict == "hung":
            silence_ms = self.heartbeat.silence_ns(now_ns) // _NS_A_MS
            self._end_hung(f"it had not answered for {silence_ms} ms ({why})")

    def _patience_ns(self) -> int:
        """Until the answer is late, or until the next look at what is being done instead."""
        silence_ns = self.heartbeat.silence_ns(monotonic_ns())
        waits = [self._interval_ns]
        limits = (self._interval_ns, self._hang_ns)
        waits += [limit - silence_ns for limit in limits if limit > silence_ns]
        return min(waits)

    async def _wait(self, answer: asyncio.Future[Any] | None, wait_ns: int) -> None:
        """Wait so long, or until `answer` is there; notices when this loop was held up."""
        started_ns = monotonic_ns()
        if answer is None:
            await asyncio.sleep(wait_ns / _NS_A_S)
        else:
            await asyncio.wait({answer}, timeout=wait_ns / _NS_A_S)
        now_ns = monotonic_ns()
        held_up_ns = now_ns - started_ns - wait_ns
        is_over = answer is None or not answer.done()
        if held_up_ns >= self._interval_ns:
            self.heartbeat.excuse(now_ns)
            if self._states.of("network").state in ("running", "degraded"):
                why = f"its event loop was held up for {held_up_ns // _NS_A_MS} ms"
                self._states.become("network", "degraded", why)
        elif is_over:
            self._become_running("network")
        if answer is not None and is_over:
            # It may be in the socket, and this loop has come here first.
            await asyncio.wait({answer}, timeout=_GRACE_S)

    def _become_running(self, runtime: RuntimeName) -> None:
        """It is well again, if it was degraded."""
        if self._states.of(runtime).state == "degraded":
            self._states.become(runtime, "running")
