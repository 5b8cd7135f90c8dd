"""A few background threads for named jobs, at most one of each name at a time (shell)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class BackgroundJobs:
    """Used by the executing thread alone; the jobs run on `threads` other threads."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="kiwi-job")
        self._running: dict[str, Future[Any]] = {}

    def start(self, name: str, job: Callable[[], Any]) -> None:
        """Run `job`; its result waits until it is collected."""
        assert name not in self._running, f"{name} runs already"
        self._running[name] = self._pool.submit(job)

    def is_running(self, name: str) -> bool:
        """Whether it was started and its result not collected yet."""
        return name in self._running

    def wait(self, name: str) -> tuple[str, Any, BaseException | None]:
        """Wait until a running job ends, and collect it."""
        return self._ended(name)

    def collect(self) -> list[tuple[str, Any, BaseException | None]]:
        """(name, result, error) of the jobs that ended since the last call."""
        ended = [name for name, future in self._running.items() if future.done()]
        return [self._ended(name) for name in ended]

    def close(self) -> list[tuple[str, Any, BaseException | None]]:
        """Wait for what runs, end the threads, and collect."""
        self._pool.shutdown(wait=True)
        return self.collect()

    def _ended(self, name: str) -> tuple[str, Any, BaseException | None]:
        future = self._running.pop(name)
        error = future.exception()
        return name, None if error else future.result(), error
