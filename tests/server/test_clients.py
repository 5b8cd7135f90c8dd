"""The client library that users have: redis-py, sync and asyncio, both protocols."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
import redis
import redis.asyncio

from tests.support.client import Client
from tests.support.servers import ServerProcess


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def connection(
    request: pytest.FixtureRequest, server: ServerProcess, client: Client
) -> Iterator[redis.Redis]:
    """redis-py with protocol 2 and 3 on an empty server."""
    with redis.Redis(port=server.port, protocol=request.param) as connection:
        yield connection


def test_strings(connection: redis.Redis) -> None:
    assert connection.set("a", "1") is True
    assert connection.get("a") == b"1"
    assert connection.set("a", "2", nx=True) is None
    assert connection.set("a", "2", get=True) == b"1"
    assert connection.incrby("a", 40) == 42
    assert connection.incrbyfloat("a", 0.5) == 42.5
    assert connection.append("a", "x") == 5
    assert connection.getrange("a", 0, 1) == b"42"
    assert connection.setrange("a", 1, "--") == 5
    assert connection.getdel("a") == b"4--5x"
    assert connection.mset({"x": 1, "y": 2}) is True
    assert connection.mget("x", "y", "z") == [b"1", b"2", None]
    assert connection.msetnx({"x": 1, "w": 2}) is False
    assert connection.getex("x", ex=100) == b"1"
    assert connection.lcs("x", "y") == b""


def test_keys(connection: redis.Redis) -> None:
    connection.mset({f"k{n}": n for n in range(100)})
    assert connection.dbsize() == 100
    assert connection.exists("k1", "k2", "nothing") == 2
    assert connection.delete("k1", "nothing") == 1
    assert connection.unlink("k2") == 1
    assert sorted(connection.keys("k3*")) == sorted([b"k3", *(b"k3%d" % n for n in range(10))])
    assert len(set(connection.scan_iter(count=7))) == 98
    assert connection.rename("k3", "moved") is True
    assert connection.copy("moved", "copied") is True
    assert connection.type("copied") == b"string"
    assert connection.randomkey() in connection.keys("*")
    assert connection.move("copied", 1) is True
    assert connection.touch("moved") == 1
    assert connection.object("encoding", "moved") in (b"int", "int")


def test_expiry(connection: redis.Redis) -> None:
    connection.set("a", "1", px=10_000)
    assert 9_000 < connection.pttl("a") <= 10_000
    assert connection.expire("a", 100) is True
    assert connection.expire("a", 50, gt=True) is False
    assert connection.persist("a") is True
    assert connection.ttl("a") == -1
    assert connection.pexpireat("a", 1) is True
    assert connection.exists("a") == 0


def test_server_commands(connection: redis.Redis) -> None:
    assert connection.ping() is True
    assert connection.echo("hello") == b"hello"
    info = connection.info("everything")
    assert info["process_id"] > 0
    assert connection.config_get("appendfsync") == {"appendfsync": "always"}
    assert connection.client_setname("me") is True
    assert connection.client_getname() in (b"me", "me")
    assert "me" in {item["name"] for item in connection.client_list()}
    assert connection.client_id() > 0
    assert len(connection.time()) == 2
    assert connection.command_count() > 50
    assert connection.flushdb() is True


def test_errors_are_of_the_right_class(connection: redis.Redis) -> None:
    connection.set("a", "text")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        connection.incr("a")
    with pytest.raises(redis.ResponseError, match="wrong number of arguments"):
        connection.execute_command("GET")  # type: ignore[no-untyped-call]


def test_pipeline_of_ten_thousand(connection: redis.Redis) -> None:
    pipeline = connection.pipeline(transaction=False)
    for number in range(10_000):
        pipeline.set(f"k{number}", number)
    assert pipeline.execute() == [True] * 10_000
    assert connection.dbsize() == 10_000


@pytest.mark.parametrize("protocol", [2, 3])
def test_asyncio(server: ServerProcess, client: Client, protocol: int) -> None:
    async def session() -> tuple[list[object], object]:
        async with redis.asyncio.Redis(port=server.port, protocol=protocol) as connection:
            await asyncio.gather(*(connection.incr("n") for _ in range(50)))
            pipeline = connection.pipeline(transaction=False)
            for number in range(10_000):
                pipeline.set(f"k{number}", number)
            return await pipeline.execute(), await connection.get("n")

    replies, counter = asyncio.run(session())
    assert replies == [True] * 10_000
    assert counter == b"50"


def test_many_connections_at_once(server: ServerProcess, client: Client) -> None:
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.client()) for _ in range(500)]
        for number, connection in enumerate(connections):
            connection.send(b"*3\r\n$3\r\nSET\r\n$4\r\nk%03d\r\n$1\r\nv\r\n" % number)
        assert all(connection.reply() == b"OK" for connection in connections)
        assert int(client.info("clients")["connected_clients"]) >= 500
    assert client.command("DBSIZE") == 500
