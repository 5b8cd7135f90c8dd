"""A few background threads for named jobs, at most one of each name at a time (shell).

Not a `ThreadPoolExecutor`: that one takes no more jobs once the main thread has ended, although
other threads of a program may go on using an engine; and it makes the program wait for its threads.
For the first of these reasons the threads are there from the start: Python 3.12.1, for one, starts
none any more once the main thread has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any


class _Job:
    """`result` or `error` are valid once `ended` is set."""

    __slots__ = ("ended", "error", "function", "result")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.result: Any = None
        self.error: BaseException | None = None
        self.ended = threading.Event()

    def run(self) -> None:
        """What it raises is kept."""
        try:
            self.result = self.function()
        except BaseException as error:  # noqa: BLE001 - for the one who collects it
            self.error = error
        self.ended.set()


class BackgroundJobs:
    """Used by the executing thread alone; the jobs run on `threads` other threads."""

    def __init__(self, threads: int) -> None:
        # None ends a thread.
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._running: dict[str, _Job] = {}
        self._threads = [
            threading.Thread(target=self._serve, name=f"kiwi-job-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def start(self, name: str, job: Callable[[], Any]) -> None:
        """Run `job`; its result waits until it is collected."""
        assert name not in self._running, f"{name} runs already"
        self._running[name] = _Job(job)
        self._queue.put(self._running[name])

    @property
    def any_is_running(self) -> bool:
        """Whether a job was started whose result was not collected yet."""
        return bool(self._running)

    def is_running(self, name: str) -> bool:
        """Whether it was started and its result not collected yet."""
        return name in self._running

    def wait(self, name: str) -> tuple[str, Any, BaseException | None]:
        """Wait until a running job ends, and collect it."""
        self._running[name].ended.wait()
        return self._ended(name)

    def collect(self) -> list[tuple[str, Any, BaseException | None]]:
        """(name, result, error) of the jobs that ended since the last call."""
        ended = [name for name, job in self._running.items() if job.ended.is_set()]
        return [self._ended(name) for name in ended]

    def close(self) -> list[tuple[str, Any, BaseException | None]]:
        """Wait for what runs, end the threads, and collect."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []
        return self.collect()

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            job.run()

    def _ended(self, name: str) -> tuple[str, Any, BaseException | None]:
        job = self._running.pop(name)
        return name, job.result, job.error
