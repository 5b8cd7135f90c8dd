"""What all processes that the supervisor starts have in common (shell: event loop)."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Final


class ChildProcess:
    """One process of this package, which gets descriptors as its arguments."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process: Final = process
        # Why it was killed from here, or "".
        self.killed_because = ""

    @property
    def process_id(self) -> int:
        return self._process.pid

    def kill(self, why: str) -> bool:
        """End it at once; False if that was tried before. What was acknowledged is in the log."""
        is_first = not self.killed_because
        self.killed_because = self.killed_because or why
        if is_first and self._process.returncode is None:
            self._process.kill()
        return is_first


async def spawn(module: str, descriptors: Sequence[int]) -> asyncio.subprocess.Process:
    """Run `module` with these descriptors open; `OSError` if there can be no process."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *map(str, descriptors),
        stdin=asyncio.subprocess.DEVNULL,
        pass_fds=descriptors,
    )


def told_exit(code: int) -> str:
    """An exit code, or the signal that ended a process, for people."""
    if code >= 0:
        return f"code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
