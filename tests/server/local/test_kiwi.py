"""KIWI GC: what it asks of the storage runtime, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.local.fakes import FakeServer

STARTED = b"+Background collection started\r\n"


class AskedServer(FakeServer):
    """Remembers what was asked with which parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def query(self, method: str, parameters: dict[str, Any]) -> Any:
        self.asked.append((method, parameters))
        return await super().query(method, parameters)


@pytest.mark.parametrize(
    ("words", "threshold"),
    [((), 10), (("threshold", "1"), 1), (("THRESHOLD", "100"), 100)],
)
def test_a_collection_is_asked_for(words: tuple[str, ...], threshold: int) -> None:
    server = AskedServer()
    assert server.run(server.connect(), "KIWI", "GC", *words) == STARTED
    assert server.asked == [("collect", {"threshold": threshold})]


@pytest.mark.parametrize(
    "words",
    [
        ("THRESHOLD",),
        ("THRESHOLD", "0"),
        ("THRESHOLD", "101"),
        ("THRESHOLD", "x"),
        ("LIMIT", "10"),
        ("THRESHOLD", "10", "more"),
    ],
)
def test_nothing_else_is_taken(words: tuple[str, ...]) -> None:
    server = AskedServer()
    assert server.run(server.connect(), "KIWI", "GC", *words).startswith(b"-ERR ")
    assert server.asked == []


def test_without_storage_it_says_so() -> None:
    server = AskedServer()
    server.storage_is_up = False
    assert server.run(server.connect(), "KIWI", "GC") == b"-ERR the storage runtime is down\r\n"
