"""One server with every kind of listener for all tests of this folder; they leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.transport.clients import Served, every_listener


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = every_listener(tmp_path_factory.mktemp("transport"))
    with found.server:
        yield found


@pytest.fixture(autouse=True)
def no_keys(request: pytest.FixtureRequest) -> None:
    """Each test finds it empty."""
    if "served" in request.fixturenames:
        with request.getfixturevalue("served").plain() as client:
            assert client.command("FLUSHALL") == b"OK"
