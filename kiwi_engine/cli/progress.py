"""A progress bar on standard error, only where a person looks (glue)."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from kiwi_engine.clock import monotonic_ns

# Records are read faster than a terminal can be redrawn.
_INTERVAL_NS = 100_000_000


class TerminalProgress:
    """An `engine.inspection.progress.Progress`, one bar per phase. Nothing is drawn into a pipe."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._task: TaskID | None = None
        self._total = 0
        self._shown_ns = 0

    def __enter__(self) -> TerminalProgress:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._finish()
        self._bars.stop()

    def start(self, name: str, total: int) -> None:
        """Complete the bar of the former phase and add one."""
        self._finish()
        self._total = max(total, 1)
        self._task = self._bars.add_task(name, total=self._total)

    def reach(self, done: int) -> None:
        """Move the bar, at most ten times a second."""
        now_ns = monotonic_ns()
        if self._task is not None and now_ns - self._shown_ns >= _INTERVAL_NS:
            self._shown_ns = now_ns
            self._bars.update(self._task, completed=min(done, self._total))

    def _finish(self) -> None:
        if self._task is not None:
            self._bars.update(self._task, completed=self._total)
