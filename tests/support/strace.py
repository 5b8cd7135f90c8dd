"""strace attached to a running process: traces and injected faults (shell)."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path


@cache
def why_not() -> str:
    """Why strace cannot be used here; "" if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    result = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False
    )
    return "" if result.returncode == 0 else f"ptrace is not permitted: {result.stderr.strip()}"


def threads(process_id: int, name: str) -> list[int]:
    """The threads of a process whose name begins with `name`."""
    paths = Path(f"/proc/{process_id}/task").iterdir()
    return [int(path.name) for path in paths if (path / "comm").read_text().startswith(name)]


@contextmanager
def attached(
    process_id: int, options: Sequence[str], output: Path, threads: Sequence[int] = ()
) -> Iterator[None]:
    """Trace a process while the block runs; the trace is complete behind it.

    All of its threads, also those to come, or just those that are given.
    """
    words = ["strace", "-o", str(output), *options]
    words += [word for thread in threads for word in ("-p", str(thread))]
    words += [] if threads else ["-f", "-p", str(process_id)]
    trace = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert trace.stderr is not None
    # One line for all threads.
    line = trace.stderr.readline()
    assert "attached" in line, f"strace could not attach: {line}"
    try:
        yield
    finally:
        trace.send_signal(signal.SIGINT)
        trace.communicate(timeout=30)
