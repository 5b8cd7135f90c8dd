"""The check of `scripts/backpressure.py` notices what it is there to notice."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.support.backlog import Writer, verify
from tests.support.client import Client


class FakeClient:
    """Answers MGET from a dict."""

    def __init__(self, stored: dict[bytes, bytes]) -> None:
        self._stored = stored

    def command(self, *words: Any) -> list[bytes | None]:
        assert words[0] == "MGET"
        return [self._stored.get(key) for key in words[1:]]


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ({b"a": b"5:x", b"b": b"7:x"}, ""),
        ({b"a": b"6:x", b"b": b"7:x"}, ""),
        ({b"b": b"7:x"}, "b'a' holds write 0, acknowledged was 5, submitted 6"),
        ({b"a": b"4:x", b"b": b"7:x"}, "b'a' holds write 4, acknowledged was 5, submitted 6"),
        ({b"a": b"7:x", b"b": b"7:x"}, "b'a' holds write 7, acknowledged was 5, submitted 6"),
        ({b"a": b"5:x", b"b": b"8:x"}, "b'b' holds write 8, which was denied"),
    ],
)
def test_verify(stored: dict[bytes, bytes], problem: str) -> None:
    writer = Writer(port=0, number=0, pipeline=1, seed=0)
    writer.submitted = {b"a": 6, b"b": 8}
    writer.acknowledged = {b"a": 5, b"b": 7}
    writer.denied = {(b"b", 8)}
    assert verify(writer, cast(Client, FakeClient(stored))) == ([problem] if problem else [])
