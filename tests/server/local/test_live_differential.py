"""A running Kiwi Engine and a redis-server get the same bytes: order, modes and logins, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.local.test_differential import (
    LINES,
    PROTOCOL_ERRORS,
    VALID_BYTES,
    normal,
    raw_reply,
)
from tests.support.client import encode
from tests.support.servers import ServerProcess, find_redis_server, kiwi, redis_server

Servers = tuple[ServerProcess, ServerProcess]

# Local commands and stored ones, mixed on one connection.
SCRIPTS = [
    b"set a 1\r\nping\r\nget a\r\nselect 3\r\nget a\r\nselect 0\r\nget a\r\n",
    b"select 1\r\nset x y\r\nselect 0\r\nexists x\r\nselect 1\r\nget x\r\n",
    b"select 2\r\nset a b\r\nreset\r\nexists a\r\nselect 2\r\nget a\r\n",
    b"set a b\r\nquit\r\nget a\r\n",
    b"quit\r\nping\r\n",
    b"client reply skip\r\nping\r\nping x\r\n",
    b"client reply skip\r\nset a q\r\nget a\r\n",
    b"client reply skip\r\nnosuch\r\nping\r\n",
    b"client reply skip\r\nclient reply skip\r\nping x\r\nping y\r\n",
    b"client reply off\r\nping\r\nset a b\r\nclient reply on\r\nget a\r\n",
    b"client reply off\r\nset a c\r\nreset\r\nget a\r\n",
    b"set a b\r\n*1\r\n+x\r\nget a\r\n",
    b"client kill id 1000000\r\nset a b\r\nget a\r\n",
    b"config set maxclients 5000\r\nconfig get maxclients\r\nconfig set maxclients 10000\r\n",
    b"get\r\nset a\r\nping\r\nnosuch\r\nget a b\r\n",
    b"debug sleep 0\r\n",
    encode("SET", "a", "x" * 100_000) + b"strlen a\r\necho y\r\n" + encode("GETRANGE", "a", 0, 3),
]
BIG = b"x" * 20_000
LOGINS = [
    b"ping\r\nget\r\nnosuch\r\nget a\r\n",
    b"debug sleep 0\r\n",
    b"auth secret\r\nset a b\r\nget a\r\n",
    b"auth wrong\r\nget a\r\n",
    b"auth secret\r\nreset\r\nget a\r\nauth secret\r\nset a b\r\nget a\r\n",
    b"*11\r\n",
    encode("SET", "k", BIG),
    encode("AUTH", "secret") + encode("SET", "k", BIG) + encode("STRLEN", "k"),
    encode("AUTH", "wrong") + encode("SET", "k", BIG) + encode("STRLEN", "k"),
]


def start(folder: pytest.TempPathFactory, settings: dict[str, str | int]) -> Iterator[Servers]:
    if find_redis_server() is None:
        pytest.skip("redis-server is not installed")
    data = folder.mktemp("live")
    with kiwi(data / "kiwi", settings) as ours, redis_server(data / "redis", settings) as theirs:
        yield ours, theirs


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    yield from start(tmp_path_factory, {})


@pytest.fixture(scope="module")
def locked_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    yield from start(tmp_path_factory, {"requirepass": "secret"})


def check(servers: Servers, data: bytes) -> None:
    ours, theirs = (raw_reply(server.port, data) for server in servers)
    assert normal(ours) == normal(theirs)


@pytest.mark.parametrize("line", LINES)
def test_local_commands(servers: Servers, line: str) -> None:
    check(servers, line.encode() + b"\r\n")


@pytest.mark.parametrize("data", [*PROTOCOL_ERRORS, *VALID_BYTES], ids=lambda data: repr(data[:20]))
def test_protocol(servers: Servers, data: bytes) -> None:
    check(servers, data)


@pytest.mark.parametrize("data", SCRIPTS, ids=lambda data: repr(data[:30]))
def test_mixed_commands(servers: Servers, data: bytes) -> None:
    check(servers, data)


@pytest.mark.parametrize("data", LOGINS, ids=lambda data: repr(data[:30]))
def test_logins(locked_servers: Servers, data: bytes) -> None:
    check(locked_servers, data)


def test_no_two_fields_of_info_share_a_name(servers: Servers) -> None:
    """Client libraries flatten INFO: of two equal names one would be lost."""
    with servers[0].client() as client:
        client.command("SET", "a", "b")
        lines = client.command("INFO", "everything").decode().splitlines()
    names = [line.split(":")[0] for line in lines if ":" in line]
    assert len(names) > 60
    assert len(names) == len(set(names))
