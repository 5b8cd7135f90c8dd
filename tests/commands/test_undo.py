"""A command that fails in the middle has changed nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kiwi_engine.errors import CorruptionError, ReplyError
from tests.commands.helpers import Session


class FailingStore:
    """Stands in for `put` of a store and fails at the n-th change."""

    def __init__(self, put: Callable[[bytes, bytes], None], allowed: int, error: Exception) -> None:
        self._put = put
        self._allowed = allowed
        self._error = error

    def __call__(self, key: bytes, value: bytes) -> None:
        if not self._allowed:
            raise self._error
        self._allowed -= 1
        self._put(key, value)


ERRORS = pytest.mark.parametrize(
    "error",
    [CorruptionError("file", 7, "damaged"), ReplyError("ERR late"), RuntimeError("a bug")],
    ids=["damage", "reply", "bug"],
)


@ERRORS
def test_what_was_written_before_the_failure_is_gone(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session()
    session.keyspace.limits.packed_max_entries = 1
    session.run("sadd s a b c")
    session.run("set text v")
    before = session.store.snapshot()
    for allowed in range(5):
        with monkeypatch.context() as patch:
            failing = FailingStore(session.store.put, allowed, error)
            patch.setattr(session.store, "put", failing)
            assert session.run("sadd s d e f g h").startswith(b"-ERR")
            assert session.store.snapshot() == before
            patch.setattr(session.store, "put", FailingStore(failing._put, allowed, error))
            assert session.run("sunionstore text s").startswith(b"-ERR")
            assert session.store.snapshot() == before
    assert session.run("sadd s d e") == b":2\r\n"
    assert session.run("scard s") == b":5\r\n"
