"""Real servers that write payloads for us and read ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.client import Client
from tests.support.servers import (
    find_redis_server,
    find_valkey_server,
    redis_server,
    valkey_server,
)


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    if find_redis_server() is None:
        pytest.skip("redis-server is not installed: nobody to exchange payloads with")
    process = redis_server(tmp_path_factory.mktemp("rdb") / "redis")
    with process, process.client() as client:
        yield client


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    if find_valkey_server() is None:
        pytest.skip("Valkey is not installed: nobody to exchange payloads with")
    process = valkey_server(tmp_path_factory.mktemp("rdb") / "valkey")
    with process, process.client() as client:
        yield client


@pytest.fixture(scope="session", params=["redis", "valkey"])
def peer(request: pytest.FixtureRequest) -> Client:
    """Each of both in turn."""
    client: Client = request.getfixturevalue(request.param)
    return client
