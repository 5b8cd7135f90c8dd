"""Where the server is, and worker processes of the libraries (glue).

A worker process gets the address of the server as a URL in the environment variable `URL_VARIABLE`
and is ended with the block that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.support.servers import ROOT

URL_VARIABLE: Final = "ECOSYSTEM_URL"
# What a flow may take: seconds on a busy machine, far less on an idle one.
RESULT_TIMEOUT_SECONDS: Final = 30
_POLL_SECONDS: Final = 0.01
_CANCEL_AGAIN_SECONDS: Final = 0.2
_STOP_TIMEOUT_SECONDS: Final = 15


class Address(NamedTuple):
    """Host and port of a server."""

    host: str
    port: int

    def url(self, protocol: int = 3) -> str:
        """As redis-py reads it.

        RESP3 is what redis-py speaks by itself. Told to, it would also give replies other types,
        which most libraries do not expect.
        """
        return f"redis://{self.host}:{self.port}/0" + ("" if protocol == 3 else "?protocol=2")

    def options(self, protocol: int = 3) -> dict[str, Any]:
        """The same as arguments of redis-py's clients."""
        return {"host": self.host, "port": self.port, **choice(protocol)}


def choice(protocol: int) -> dict[str, Any]:
    """The protocol alone, as an argument of redis-py's connections."""
    return {} if protocol == 3 else {"protocol": 2}


@contextlib.contextmanager
def worker(arguments: Sequence[str], url: str, output_path: Path) -> Iterator[None]:
    """Run `python -m arguments...`; what it prints goes to `output_path`, and to the test's output
    once it has ended."""
    with output_path.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env={**os.environ, URL_VARIABLE: url},
        )
    try:
        yield
        assert process.poll() is None, "the worker ended by itself"
    finally:
        _end(process)
        print(output_path.read_text(errors="replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll until the condition holds; `TimeoutError` if it never does."""
    async with asyncio.timeout(RESULT_TIMEOUT_SECONDS):
        while not await condition():  # noqa: ASYNC110, the server cannot set an event
            await asyncio.sleep(_POLL_SECONDS)


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it is over: redis-py can lose a cancellation while it connects."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_CANCEL_AGAIN_SECONDS)
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
