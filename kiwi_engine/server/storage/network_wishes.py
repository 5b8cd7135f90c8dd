"""What the network processes want to be told (pure).

Each of them speaks for its own connections; something is told while any of them wants it. What a
process has wished ends with it.
"""

from __future__ import annotations

from typing import Any

from kiwi_engine.commands.executor import Executor


class NetworkWishes:
    """Owned by the executing thread; processes are told apart by their numbers."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        # Those with connections that track keys; whether one does by prefixes.
        self._tracking: dict[int, bool] = {}
        self._monitoring: set[int] = set()

    def subscribers(self, process: int, parameters: dict[str, Any]) -> None:
        """`parameters`: counts that have changed (`commands.publishing`)."""
        self._executor.subscribers.change(process, parameters)

    def tracking(self, process: int, parameters: dict[str, Any]) -> None:
        """`anybody`: somebody tracks. `all_keys`: by prefixes, so tell of every change."""
        if parameters["anybody"]:
            self._tracking[process] = parameters["all_keys"]
        else:
            self._tracking.pop(process, None)
        self._follow()

    def monitor_scripts(self, process: int, parameters: dict[str, Any]) -> None:
        """`wanted`: somebody monitors, so tell what scripts call."""
        if parameters["wanted"]:
            self._monitoring.add(process)
        else:
            self._monitoring.discard(process)
        self._executor.is_monitored = bool(self._monitoring)

    def forget(self, process: int) -> None:
        """A process has ended."""
        self._executor.subscribers.forget(process)
        self.tracking(process, {"anybody": False})
        self.monitor_scripts(process, {"wanted": False})

    def _follow(self) -> None:
        self._executor.tracker.follow(bool(self._tracking), any(self._tracking.values()))
