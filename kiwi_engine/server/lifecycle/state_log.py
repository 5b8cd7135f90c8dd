"""The states of all runtimes, each change of them logged (shell: event loop)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kiwi_engine.clock import monotonic_ns, wall_ms
from kiwi_engine.server.lifecycle.states import RuntimeName, RuntimeStates, Standing, State

logger = logging.getLogger(__name__)

_LEVELS: Final[Mapping[State, int]] = {
    "starting": logging.INFO,
    "running": logging.INFO,
    "degraded": logging.WARNING,
    "recovering": logging.ERROR,
    "stopped": logging.INFO,
}
_HISTORY_SHOWN_MAX: Final = 8


class StateLog:
    """Used by those who start, watch and stop the runtimes, `workers` among them."""

    def __init__(self, workers: Iterable[RuntimeName] = ()) -> None:
        self._states = RuntimeStates(monotonic_ns(), ("network", "storage", *workers))

    def of(self, runtime: RuntimeName) -> Standing:
        return self._states.of(runtime)

    def become(self, runtime: RuntimeName, state: State, why: str = "") -> None:
        """Note and log it, if it is news."""
        if self._states.change(runtime, state, why, monotonic_ns(), wall_ms()):
            text = f"{state}: {why}" if why else state
            logger.log(_LEVELS[state], "%s runtime is %s", runtime, text)

    def facts(self, runtime: RuntimeName) -> dict[str, Any]:
        """State, age and reason for INFO."""
        standing = self.of(runtime)
        return {
            f"{runtime}_runtime_state": standing.state,
            f"{runtime}_runtime_since_seconds": (monotonic_ns() - standing.since_ns)
            // 1_000_000_000,
            f"{runtime}_runtime_reason": standing.why,
        }

    def history_facts(self) -> dict[str, str]:
        """The last changes for INFO, the newest first."""
        newest = list(reversed(self._states.history))[:_HISTORY_SHOWN_MAX]
        return {f"history_{number}": each.text for number, each in enumerate(newest, start=1)}
