"""What a connection asked for while it was open, and what happens when it is gone."""

from __future__ import annotations

import pytest

from tests.server.local.fakes import FakeServer

COMMANDS = ("SUBSCRIBE c", "PSUBSCRIBE p*", "SSUBSCRIBE c", "MONITOR", "CLIENT TRACKING ON BCAST")


@pytest.mark.parametrize("line", COMMANDS)
def test_nothing_of_it_comes_back(line: str) -> None:
    """It waited for its turn, or behind a transaction, when the connection ended."""
    server = FakeServer()
    session = server.connect()
    session.resp3 = session.is_closed = True
    server.run(session, *line.split())
    assert session.subscriptions is None
    assert session.tracking is None
    assert not server.monitors
    assert not len(server.tracking)
