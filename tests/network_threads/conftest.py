"""A server of three network processes, and a client in each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import QUICK_START
from tests.support.client import Client
from tests.support.network_processes import emptied_everywhere
from tests.support.servers import ServerProcess, kiwi

PROCESSES = 3


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests of a module; each finds it empty through `clients`."""
    settings = {**QUICK_START, "network-threads": PROCESSES}
    with kiwi(tmp_path_factory.mktemp("three") / "data", settings) as running:
        yield running


@pytest.fixture
def clients(three: ServerProcess) -> Iterator[list[Client]]:
    """A client of each network process of `three`, which holds no keys; that of number 0 first."""
    with emptied_everywhere(three, PROCESSES) as found:
        yield found
