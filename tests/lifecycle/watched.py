"""What tests of the life cycle ask of a running server (shell)."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.support.client import Client
from tests.support.processes import children, is_alive
from tests.support.servers import ServerProcess, wait_until

# The orphan's promise. That it is kept is the point, so there is little slack.
ORPHAN_DEADLINE_S = 5.0


def storage_process_id(client: Client) -> int:
    """0 while storage is down."""
    return int(client.info("server").get("storage_process_id") or 0)


def wait_for_new_storage(client: Client, dead: int) -> None:
    wait_until(lambda: storage_process_id(client) not in (0, dead), "a new storage process")


def wait_for_state(client: Client, state: str, why: str = "") -> dict[str, str]:
    """The `runtime` section as soon as the storage runtime is in `state`, for this reason."""
    runtime: dict[str, str] = {}

    def is_so() -> bool:
        runtime.update(client.info("runtime"))
        is_in_state = runtime["storage_runtime_state"] == state
        return is_in_state and why in runtime["storage_runtime_reason"]

    wait_until(is_so, f"storage to be {state} {why}")
    return runtime


@contextlib.contextmanager
def stopped(process_id: int) -> Iterator[None]:
    """SIGSTOP it meanwhile."""
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGCONT)


def wait_for_storage_to_begin(server: ServerProcess) -> int:
    """The process id of the storage process of a server that is starting.

    It is that program already: stopped before, it would hold up whoever is making it.
    """

    def begun() -> list[int]:
        commands = {
            each: Path(f"/proc/{each}/cmdline").read_bytes() for each in children(server.pid)
        }
        return [each for each, command in commands.items() if b"storage.process" in command]

    wait_until(lambda: bool(begun()), "the storage process")
    (process_id,) = begun()
    return process_id


def kill_supervisor(server: ServerProcess) -> None:
    """SIGKILL the main process alone."""
    server.signal(signal.SIGKILL)
    server.wait()


def wait_for_end(process_id: int, timeout_seconds: float = ORPHAN_DEADLINE_S) -> None:
    """A process has that long to end, and to let its lock go."""
    wait_until(lambda: not is_alive(process_id), "the end of the storage process", timeout_seconds)
