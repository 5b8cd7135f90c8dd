"""Fixtures for tests that need a real server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import settings

from tests.support.client import Client
from tests.support.crash_count import crash_count
from tests.support.servers import ServerProcess, kiwi
from tests.support.termination import interrupt_on_sigterm

# No test is timed: a loaded machine is no reason to fail.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Small enough to start at once; everything else is as users get it.
QUICK_START: Mapping[str, str | int] = {
    "wal-segment-size": "1mb",
    "enable-debug-command": "yes",
}


def pytest_configure(config: pytest.Config) -> None:
    """Servers are stopped even if the tests are cut off."""
    interrupt_on_sigterm()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many crashes the sweeps have simulated."""
    if line := crash_count(terminalreporter):
        terminalreporter.write_line(line)


class StartKiwi(Protocol):
    """Starts a server whose settings are those of the call; it ends with the test."""

    def __call__(self, **settings: str | int) -> ServerProcess: ...


@pytest.fixture
def start_kiwi(tmp_path: Path) -> Iterator[StartKiwi]:
    """A function that starts Kiwi Engine: `start_kiwi(maxclients=5)`."""
    started: list[ServerProcess] = []

    def start(**settings: str | int) -> ServerProcess:
        flags = {key.replace("_", "-"): value for key, value in settings.items()}
        server = kiwi(tmp_path / "data", {**QUICK_START, **flags})
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests of a module; each finds it empty through `client`."""
    with kiwi(tmp_path_factory.mktemp("server") / "data", QUICK_START) as running:
        yield running


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    """A raw connection to `server`, which holds no keys."""
    with server.client() as connection:
        assert connection.command("FLUSHALL") == b"OK"
        yield connection
