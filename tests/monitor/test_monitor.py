"""MONITOR on a real server, against what another one shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.client import Client, ErrorReply, encode
from tests.support.servers import (
    ServerProcess,
    find_redis_server,
    redis_server,
)

COMMANDS = """
    set k v; GET k; ping; get; nosuch; set k v nosuch; select 3; get k; select 0; auth a b
    hello 2 auth default x; client setname me; client getname; client list; config get port
    multi; set a 1; lpush a 1; nosuch; exec; multi; set a 1; lpush a 1; ping; exec; multi; discard
    watch a; unwatch; multi; monitor; exec; exec; discard; monitor extra; subscribe c; ping
    unsubscribe; publish c m; info server; command count; dbsize; object encoding k; eval 1 0
    evalsha 0 0; script exists 0; xadd s 1-1 f v; blpop nothing 0.01; wait 0 0; time; reset
"""
SCRIPT = b"redis.call('set','k',ARGV[1]); redis.pcall('lpush','k',1); redis.call('ping'); return 1"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    if find_redis_server() is None:
        pytest.skip("redis-server is not installed: nothing to compare with")
    with redis_server(tmp_path_factory.mktemp("reference") / "redis") as process:
        yield process


class Monitor:
    """A connection that monitors; `lines` without time and address."""

    def __init__(self, server: ServerProcess, *, resp3: bool = False) -> None:
        self.client = Client(server.port)
        if resp3:
            self.client.command("HELLO", 3)
        assert self.client.command("MONITOR") == b"OK"

    def lines(self, other: Client) -> list[str]:
        """What has been shown until now."""
        other.command("ECHO", "end of lines")
        found = []
        while (line := self._line()) != '[0 A] "ECHO" "end of lines"':
            found.append(line)
        return found

    def _line(self) -> str:
        line: bytes = self.client.reply()
        match = re.fullmatch(rb"\d{10}\.\d{6} \[(\d+) ([\d.]+:\d+|lua)\] (.*)", line)
        assert match is not None, line
        db, origin, words = (part.decode() for part in match.groups())
        return f"[{db} {'lua' if origin == 'lua' else 'A'}] {words}"


def perform(server: ServerProcess) -> list[str]:
    monitor = Monitor(server)
    with server.client() as other:
        for command in re.split(r"[;\n]", COMMANDS):
            if command.strip():
                other.command(*command.split())
        other.command("EVAL", SCRIPT, 0, 'a "b"\r\n')
        other.command("EVAL_RO", b"return redis.call('get',KEYS[1])", 1, "k")
        lines = monitor.lines(other)
    monitor.client.close()
    return lines


def test_as_on_a_real_server(
    server: ServerProcess, client: Client, reference: ServerProcess
) -> None:
    lines = perform(server)
    assert lines == perform(reference)
    assert any("[0 lua]" in line for line in lines)
    assert any("(redacted)" in line for line in lines)


def test_a_monitor_is_a_kind_of_replica(server: ServerProcess, client: Client) -> None:
    monitor = Monitor(server, resp3=True).client
    for words in (("GET", "k"), ("SET", "k", "1"), ("PUBLISH", "c", "m")):
        assert str(monitor.command(*words)) == "ERR Replica can't interact with the keyspace"
    # Its own command is shown to it behind the reply.
    assert monitor.command("ECHO", "x") == b"x"
    assert b'"ECHO" "x"' in monitor.reply()
    assert b" flags=O " in client.command("CLIENT", "LIST")
    # Only the first time is answered.
    monitor.send(encode("MONITOR"))
    assert monitor.command("PING") == b"PONG"
    monitor.close()


def test_nobody_monitors_inside_a_transaction(client: Client) -> None:
    replies = client.pipeline([("MULTI",), ("MONITOR",), ("PING",), ("EXEC",)])[-1]
    assert isinstance(replies[0], ErrorReply)
    assert str(replies[0]) == "ERR MONITOR isn't allowed for DENY BLOCKING client"
    assert replies[1] == b"PONG"
    assert client.command("PING") == b"PONG"


def test_a_transaction_that_may_not_run_is_not_shown(server: ServerProcess, client: Client) -> None:
    monitor = Monitor(server)
    with server.client() as other:
        other.command("WATCH", "k")
        client.command("SET", "k", 1)
        assert other.pipeline([("MULTI",), ("SET", "k", 2), ("EXEC",)])[-1] is None
    assert monitor.lines(client) == [
        '[0 A] "WATCH" "k"',
        '[0 A] "SET" "k" "1"',
        '[0 A] "MULTI"',
        '[0 A] "EXEC"',
    ]
    monitor.client.close()


def test_it_ends_with_reset_and_with_the_connection(server: ServerProcess, client: Client) -> None:
    second = Monitor(server, resp3=True)
    first = Monitor(server)
    client.command("SET", "a", 1)
    assert first.lines(client) == ['[0 A] "SET" "a" "1"']
    second.client.close()
    assert first.client.command("RESET") == b"RESET"
    client.command("SET", "a", 2)
    assert first.client.command("GET", "a") == b"2"
    first.client.close()
    assert client.command("EVAL", SCRIPT, 0, "x") == 1
