"""redis-server with the same certificates and addresses: what it says, and what happens then."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.support.client import Client, ErrorReply
from tests.support.ports import free_port
from tests.support.servers import ServerProcess, redis_server
from tests.transport.clients import Served
from tests.transport.files import key, server_files

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed"
)


@pytest.fixture(scope="module")
def both(
    served: Served, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, Served]]:
    folder = tmp_path_factory.mktemp("theirs")
    tls_port, path = free_port(), str(folder / "redis.socket")
    settings: dict[str, str | int] = {
        **server_files(),
        "tls-port": tls_port,
        "unixsocket": path,
        "unixsocketperm": "700",
        "bind": "127.0.0.1 -::1",
    }
    server = redis_server(folder / "data", settings)
    if not is_built_with_tls(server):
        pytest.skip("this redis-server was built without TLS")
    with server:
        yield served, Served(server, tls_port, path)


def is_built_with_tls(server: ServerProcess) -> bool:
    server.start(wait=False)
    try:
        server.wait_ready()
    except Exception:  # noqa: BLE001 - it ends at once, in words of its own
        return False
    return True


# Each leaves everything as it was.
CHANGES = [
    ("tls-port", "70000"),
    ("port", "-1"),
    ("tls-cert-file", "/nosuch"),
    ("tls-key-file", key("renewed")),
    ("tls-ca-cert-file", "/nosuch"),
    ("tls-ca-cert-file", ""),
    ("tls-auth-clients", "maybe"),
    ("tls-ciphers", "nosuch"),
    ("tls-dh-params-file", "/nosuch"),
    ("tls-prefer-server-ciphers", "maybe"),
    ("tls-protocols", "TLSv1.2"),
    ("tls-protocols", "TLSv1.2 TLSv1.3"),
    ("tls-cert-file", "/nosuch", "port", "1"),
    ("protected-mode", "maybe"),
    ("protected-mode", "yes"),
    ("bind", "192.0.2.250"),
    ("bind", "127.0.0.1 192.0.2.250"),
    ("bind", "127.0.0.1 -192.0.2.250"),
    ("bind", "127.0.0.1 -::1"),
    ("unixsocket", "/tmp/other"),
    ("unixsocketperm", "777"),
]


@pytest.mark.parametrize("words", CHANGES, ids=" ".join)
def test_changes_at_run_time(both: tuple[Served, Served], words: tuple[str, ...]) -> None:
    answers = []
    for served in both:
        with served.plain() as client:
            answers.append(str(client.command("CONFIG", "SET", *words)))
        with served.secure() as client:
            assert client.command("PING") == b"PONG"
    assert answers[0] == answers[1]


def test_a_port_in_use(both: tuple[Served, Served]) -> None:
    answers = []
    for served in both:
        with served.plain() as client:
            answers.append(
                [
                    str(client.command("CONFIG", "SET", name, taken))
                    for name, taken in (
                        ("tls-port", served.server.port),
                        ("port", served.tls_port),
                    )
                ]
            )
            assert all("Unable to listen" in answer for answer in answers[-1])
    assert answers[0] == answers[1]


def test_how_clients_are_shown(both: tuple[Served, Served]) -> None:
    shown = []
    for served in both:
        for client, own in (
            (served.unix(), f"{served.socket_path}:0"),
            (served.secure(), f"127.0.0.1:{served.tls_port}"),
            (served.plain(), f"127.0.0.1:{served.server.port}"),
        ):
            with client:
                fields = dict(
                    field.split("=", 1)
                    for field in client.command("CLIENT", "INFO").split()
                    for field in [field.decode()]
                )
                assert fields["laddr"] == own
                peer = client.socket.getsockname()
                assert fields["addr"] == (f"{peer[0]}:{peer[1]}" if peer else own)
                shown.append((type(client).__name__, fields["flags"]))
    assert shown[:3] == shown[3:]


def test_settings_are_shown_alike(both: tuple[Served, Served]) -> None:
    names = ("unixsocketperm", "protected-mode", "tls-auth-clients", "tls-prefer-server-ciphers")
    answers = [ask(served.plain(), "CONFIG", "GET", *names) for served in both]
    assert sorted(answers[0]) == sorted(answers[1])


def ask(client: Client, *words: str) -> list[bytes]:
    with client:
        answer = client.command(*words)
        assert not isinstance(answer, ErrorReply)
        return list(answer)


def test_who_is_turned_away_is_counted_alike(both: tuple[Served, Served]) -> None:
    names = ("total_connections_received", "rejected_connections")
    counts = []
    for served in both:
        with served.plain() as client:
            before = client.info()
            assert client.command("CONFIG", "SET", "maxclients", "1") == b"OK"
            with served.plain() as refused:
                assert refused.read_until_closed() == b"-ERR max number of clients reached\r\n"
            assert client.command("CONFIG", "SET", "maxclients", "10000") == b"OK"
            after = client.info()
        counts.append([int(after[name]) - int(before[name]) for name in names])
    assert counts == [[0, 1], [0, 1]]
