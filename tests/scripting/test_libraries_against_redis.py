"""Random calls of the libraries: the same results, bytes and errors as in a real redis-server.

Only Redis 7.0 can tell: the tables of Valkey are in another order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.scripting.interpreter import SHOW, Interpreter
from tests.scripting.random_values import Draw
from tests.support.client import Client
from tests.support.servers import find_redis_server, redis_server

SEEDS: Final = range(3)
ROUNDS: Final = 120


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    if find_redis_server() is None:
        pytest.skip("redis-server is not installed: nothing to compare with")
    process = redis_server(tmp_path_factory.mktemp("libraries") / "redis")
    with process, process.client() as client:
        yield client


@pytest.mark.parametrize("seed", SEEDS)
def test_random_calls(seed: int, lua: Interpreter, redis: Client) -> None:
    draw = Draw(seed)
    for expression, argument in (call for _ in range(ROUNDS) for call in draw.calls()):
        script = SHOW + b"return all(" + expression + b")"
        expected = redis.command("EVAL", script, 0, argument)
        assert isinstance(expected, bytes), f"{expression!r}: {expected}"
        assert lua.evaluate(script, argument) == expected, f"{expression!r}, {argument!r}"
