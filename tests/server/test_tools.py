"""The programs that come with Redis: redis-cli and redis-benchmark."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.support.client import Client, encode
from tests.support.servers import ServerProcess

pytestmark = pytest.mark.skipif(
    not (shutil.which("redis-cli") and shutil.which("redis-benchmark")),
    reason="redis-cli and redis-benchmark are not installed",
)


def redis_cli(server: ServerProcess, *words: str, sent: bytes = b"") -> str:
    result = subprocess.run(
        ["redis-cli", "-h", "127.0.0.1", "-p", str(server.port), *words],
        input=sent,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert result.stderr == b""
    return result.stdout.decode()


def test_single_commands(server: ServerProcess, client: Client) -> None:
    assert redis_cli(server, "set", "a", "b") == "OK\n"
    assert redis_cli(server, "get", "a") == "b\n"
    assert redis_cli(server, "-3", "get", "a") == "b\n"
    assert redis_cli(server, "-n", "3", "dbsize") == "0\n"


def test_an_interactive_session(server: ServerProcess, client: Client) -> None:
    """What redis-cli sends at its start (COMMAND DOCS, HELLO 3) and what a user types."""
    typed = b"set a 1\nincr a\nhello 3\nget a\nselect 2\ndbsize\nnosuch\nquit\n"
    lines = redis_cli(server, sent=typed).splitlines()
    assert lines[:2] == ["OK", "2"]
    assert any(line.startswith("ERR unknown command 'nosuch'") for line in lines)
    docs = redis_cli(server, "command", "docs", "set")
    assert "summary" in docs
    assert "arguments" in docs


def test_mass_insertion(server: ServerProcess, client: Client) -> None:
    commands = b"".join(encode("SET", f"k{n}", n) for n in range(5000))
    output = redis_cli(server, "--pipe", sent=commands)
    assert "errors: 0, replies: 5000" in output
    assert client.command("DBSIZE") == 5000


def test_scan_and_big_keys(server: ServerProcess, client: Client) -> None:
    client.pipeline([("SET", f"user:{n}", n) for n in range(200)])
    found = redis_cli(server, "--scan", "--pattern", "user:1?").split()
    assert sorted(found) == sorted(f"user:{n}" for n in range(10, 20))


# What redis-benchmark of Redis 7 runs if it is not told what to run.
DEFAULT_TESTS = [
    *("PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP", "SADD"),
    *("HSET", "SPOP", "ZADD", "ZPOPMIN", "LPUSH (needed to benchmark LRANGE)"),
    *(f"LRANGE_{n} (first {n} elements)" for n in (100, 300, 500, 600)),
    "MSET (10 keys)",
]


@pytest.mark.parametrize("pipeline", ["1", "16"])
def test_redis_benchmark_runs_entirely(
    server: ServerProcess, client: Client, pipeline: str
) -> None:
    words = f"-h 127.0.0.1 -p {server.port} -n 2000 -c 50 -r 1000 --csv -P {pipeline}"
    result = subprocess.run(
        ["redis-benchmark", *words.split()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert result.stderr == ""
    rows = [line.split(",") for line in result.stdout.splitlines()[1:]]
    assert [row[0].strip('"') for row in rows] == DEFAULT_TESTS
    assert all(float(row[1].strip('"')) > 0 for row in rows)
