"""The server that the libraries of this folder talk to.

It is Kiwi Engine, started once a session. To see what a library does with another server, or
whether a flow is right at all, name one: `KIWI_ECOSYSTEM_SERVER=127.0.0.1:6379 pytest
tests/ecosystem`. Everything it holds is deleted.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest

from tests.conftest import QUICK_START
from tests.ecosystem.support import Address
from tests.support.client import Client
from tests.support.servers import kiwi


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """Where the server listens."""
    if named := os.environ.get("KIWI_ECOSYSTEM_SERVER"):
        host, _, port = named.rpartition(":")
        yield Address(host, int(port))
        return
    with kiwi(tmp_path_factory.mktemp("ecosystem") / "data", QUICK_START) as server:
        yield Address("127.0.0.1", server.port)


@pytest.fixture(scope="module")
def empty_address(address: Address) -> Address:
    """Where the server listens, which holds nothing when a module begins."""
    with Client(address.port, address.host) as client:
        assert client.command("FLUSHALL") == b"OK"
    return address


@pytest.fixture(scope="module", params=[2, 3], ids=["RESP2", "RESP3"])
def protocol(request: pytest.FixtureRequest) -> int:
    """Both versions of the protocol, for libraries that let their user choose."""
    version = request.param
    assert isinstance(version, int)
    return version


@pytest.fixture(scope="module")
def url(address: Address, protocol: int) -> str:
    """The server and the protocol to speak, as redis-py reads it; the server is empty."""
    with Client(address.port, address.host) as client:
        assert client.command("FLUSHALL") == b"OK"
    return address.url(protocol)


@pytest.fixture
def collected() -> Iterator[None]:
    """For libraries that leave something open: its warning comes now, not in a later test."""
    yield
    gc.collect()
