"""What becomes of a new connection, wherever it comes from: also where no machine is outside."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ReplyError
from kiwi_engine.server.network.access_control import AccessControl
from kiwi_engine.server.network.client_counts import ClientCounts
from kiwi_engine.server.network.runtime import NetworkRuntime
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.statistics import NetworkStatistics
from kiwi_engine.server.network.transport.admission import PROTECTED, TOO_MANY

OUTSIDE = ("192.0.2.7", 4000)


class Bench:
    """As much of a runtime as it takes to admit a client."""

    def __init__(self, **settings: Any) -> None:
        self.config = LiveConfig(Settings(unixsocket="/a", **settings))
        self.runtime = SimpleNamespace(
            config=self.config,
            acl=AccessControl(self.config),
            statistics=NetworkStatistics(),
            _clients_count=0,
            counts=ClientCounts.alone(),
            _connections={},
        )

    def admit(self, peer: object, family: socket.AddressFamily) -> Session | ReplyError:
        with socket.socket(family) as handle:
            facts = {"socket": handle, "peername": peer, "sockname": ("192.0.2.1", 7379)}
            transport = SimpleNamespace(get_extra_info=facts.get)
            runtime = cast(Any, self.runtime)
            return NetworkRuntime.admit(runtime, cast(Any, object()), cast(Any, transport))

    @property
    def counts(self) -> tuple[int, int]:
        statistics = self.runtime.statistics
        return statistics.connections_received, statistics.connections_rejected


def refusal(answer: Session | ReplyError) -> str:
    assert isinstance(answer, ReplyError)
    return answer.text


def test_outsiders_are_turned_away_until_there_is_a_password() -> None:
    bench = Bench()
    assert refusal(bench.admit(OUTSIDE, socket.AF_INET)) == PROTECTED
    assert bench.counts == (0, 1)
    bench.config.set([("requirepass", "secret")])
    session = bench.admit(OUTSIDE, socket.AF_INET)
    assert isinstance(session, Session)
    assert (session.address, session.local_address) == ("192.0.2.7:4000", "192.0.2.1:7379")
    assert not (session.is_local or session.is_unix or session.authenticated)
    assert bench.counts == (1, 1)


@pytest.mark.parametrize("peer", ["", None])
def test_a_unix_socket_is_never_outside(peer: object) -> None:
    session = Bench().admit(peer, socket.AF_UNIX)
    assert isinstance(session, Session)
    assert (session.address, session.local_address) == ("/a:0", "/a:0")
    assert session.is_local
    assert session.is_unix


def test_handshakes_count_as_clients() -> None:
    bench = Bench(maxclients=2)
    bench.runtime._clients_count = 2
    assert refusal(bench.admit(("127.0.0.1", 1), socket.AF_INET)) == TOO_MANY
    assert bench.counts == (0, 1)
    assert bench.runtime.counts.total() == 2, "the one that was turned away does not count"
