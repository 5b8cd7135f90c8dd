"""A storage runtime in this process, driven as the server drives it, for benchmarks (glue).

`appendfsync everysec`, on disk: so what is timed is the runtime and not the disk's syncs. Each
measurement wants a directory and, by `in_own_process`, a process of its own, so that none pays for
the memory that another one left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import msgspec

from kiwi_engine.channel.frames import Request, Run
from kiwi_engine.clock import monotonic_ns, sleep
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.storage.runtime import StorageRuntime

Words = list[bytes]
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

POLL_S: Final = 0.0002
_REPLY_TIMEOUT_NS: Final = 60_000_000_000


class StorageBench:
    """A storage runtime that is asked from this thread."""

    def __init__(self, directory: Path, memory_bytes: int) -> None:
        settings = msgspec.structs.replace(
            Settings(), dir=str(directory), memory=memory_bytes, appendfsync="everysec"
        )
        self._replies: dict[int, bytes] = {}
        self._lock = threading.Lock()
        # That of the last run. Run 0 is nobody's: what comes as a reply to it are events.
        self._run_id = 0
        self.runtime = StorageRuntime(settings, self._take)

    def _take(self, replies: list[tuple[int, bytes]], answers: object) -> None:
        with self._lock:
            self._replies.update(replies)

    def number(self, count: int) -> range:
        """Numbers for the next `count` runs."""
        first = self._run_id + 1
        self._run_id += count
        return range(first, first + count)

    def send(self, runs: Sequence[Run]) -> None:
        """Hand over one frame; returns when all that need not wait is executed."""
        self.runtime.handle(Request(list(runs), []))

    def wait(self, numbers: range, patience_ns: int = 0) -> list[bytes]:
        """The replies to these runs, when all are there.

        Meanwhile the background goes on, once `patience_ns` have passed: at once, or only where
        the replies seem to wait for it, since writes may be held back.
        """
        started_ns = monotonic_ns()
        while any(number not in self._replies for number in numbers):
            now_ns = monotonic_ns()
            assert now_ns < started_ns + _REPLY_TIMEOUT_NS, "a reply is missing"
            if now_ns >= started_ns + patience_ns:
                self.runtime.tick()
            sleep(POLL_S)
        self.runtime.tick()
        return self.taken(numbers)

    def taken(self, numbers: range) -> list[bytes]:
        """The replies to these runs, each of which is there."""
        with self._lock:
            return [self._replies.pop(number) for number in numbers]

    def close(self) -> None:
        """Drain everything and close: who opens the directory again reads the index."""
        self.runtime.close()


def in_own_process(
    function: Callable[Parameters, Result],
    *arguments: Parameters.args,
    **keywords: Parameters.kwargs,
) -> Result:
    """What `function` returns, called in a new process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(function, *arguments, **keywords).result()
