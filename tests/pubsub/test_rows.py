"""What COMMAND tells of the commands of pub/sub, against a real server."""

from __future__ import annotations

from typing import Any

import pytest

from kiwi_engine.commands.server.pubsub_table import TABLE
from tests.support.client import Client
from tests.support.servers import ServerProcess


def normal(value: Any) -> Any:
    """Texts instead of bytes; lists whose order says nothing are sorted."""
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, list):
        return value
    elements = [normal(element) for element in value]
    has_no_order = all(isinstance(each, list) for each in elements) or all(
        isinstance(each, str) for each in elements
    )
    return sorted(elements) if has_no_order else elements


@pytest.mark.parametrize("name", [row.name for row in TABLE])
def test_rows_are_those_of_redis(client: Client, redis_process: ServerProcess, name: str) -> None:
    with redis_process.client() as reference:
        expected = normal(reference.command("COMMAND", "INFO", name))
        words = ("COMMAND", "GETKEYS", name, "first", "second")
        assert normal(client.command("COMMAND", "INFO", name)) == expected
        assert str(client.command(*words)) == str(reference.command(*words))
