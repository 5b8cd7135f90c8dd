"""One server for the tests of a module that end it in all ways: whoever comes next starts it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import QUICK_START
from tests.support.servers import ServerProcess, kiwi

RESTARTS = 1
SETTINGS = {
    "runtime-health-interval": 50,
    "busy-reply-threshold": 200,
    "storage-restart-limit": RESTARTS,
}


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with its directory, running or not."""
    server = kiwi(tmp_path_factory.mktemp("lives") / "data", {**QUICK_START, **SETTINGS})
    yield server
    server.kill()


@pytest.fixture
def mortal(lives: ServerProcess) -> ServerProcess:
    """That server, running, without a key, and with no output so far."""
    if lives.process is None:
        lives.start()
    with lives.client() as client:
        assert client.command("FLUSHALL") == b"OK"
    with lives.output_path.open("r+b") as output:
        output.truncate()
    return lives
