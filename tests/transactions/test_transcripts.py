"""MULTI, EXEC, DISCARD and WATCH: the same bytes as redis-server, on several connections."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers import ServerProcess, find_redis_server, kiwi, redis_server
from tests.support.transcripts import play

SCRIPTS = {
    "plain": """
        a!: MULTI
        a!: SET k 1
        a!: INCR k
        a!: GET k
        a: EXEC
        a: GET k""",
    "empty": """
        a!: MULTI
        a: EXEC
        a: EXEC""",
    "out of place": """
        a: EXEC
        a: DISCARD
        a!: MULTI
        a!: MULTI
        a!: WATCH k
        a!: SET a b
        a: EXEC
        a: UNWATCH""",
    "discard": """
        a: SET k 1
        a!: MULTI
        a!: SET k 2
        a: DISCARD
        a: GET k
        a: EXEC""",
    "refused when queued": """
        a!: MULTI
        a!: SET k 1
        a!: NOSUCH x
        a!: SET k 2
        a: EXEC
        a: EXISTS k
        a!: MULTI
        a!: GET
        a: EXEC
        a!: MULTI
        a!: OBJECT NOSUCH k
        a: EXEC
        a!: MULTI
        a!: SAVE
        a: EXEC
        a: PING""",
    "errors do not roll back": """
        a: SET k text
        a!: MULTI
        a!: SET before 1
        a!: INCR k
        a!: LPUSH k 1
        a!: SET after 1
        a: EXEC
        a: MGET before after k""",
    "watched key changed": """
        a: SET k 1
        a: WATCH k
        b: SET k 2
        a!: MULTI
        a!: SET k 3
        a: EXEC
        a: GET k
        a!: MULTI
        a!: SET k 4
        a: EXEC
        a: GET k""",
    "watched key not changed": """
        a: SET k 1
        a: WATCH k other
        b: SET another 2
        b: GET k
        b: DEL nothing
        a!: MULTI
        a!: SET k 3
        a: EXEC""",
    "own change breaks, too": """
        a: WATCH k
        a: SET k 3
        a!: MULTI
        a!: GET k
        a: EXEC""",
    "unwatch and discard": """
        a: WATCH k
        b: SET k 3
        a: UNWATCH
        a!: MULTI
        a!: GET k
        a: EXEC
        a: WATCH k
        b: SET k 4
        a!: MULTI
        a: DISCARD
        a!: MULTI
        a!: GET k
        a: EXEC""",
    "a broken one forgets what it watches": """
        a: WATCH k
        b: SET k 3
        a!: MULTI
        a!: NOSUCH
        a: EXEC
        a!: MULTI
        a!: GET k
        a: EXEC""",
    "databases": """
        a: SELECT 1
        a: WATCH k
        b: SET k other-database
        a!: MULTI
        a!: SET k 1
        a!: SELECT 2
        a!: SET k 2
        a!: SELECT 99
        a: EXEC
        a: GET k
        a: SELECT 1
        a: GET k""",
    "every type": """
        a: DEL h l s z t
        a: WATCH h l s z t
        b: HSET h f v
        a!: MULTI
        a: EXEC
        a: WATCH l
        b: RPUSH l 1
        a!: MULTI
        a: EXEC
        a: WATCH s
        b: SADD s 1
        a!: MULTI
        a: EXEC
        a: WATCH z
        b: ZADD z 1 m
        a!: MULTI
        a: EXEC
        a: WATCH t
        b: XADD t 1-1 f v
        a!: MULTI
        a: EXEC""",
    "flush and swap": """
        a: SET k 1
        a: WATCH k
        b: FLUSHALL
        a!: MULTI
        a: EXEC
        a: WATCH nothing
        b: FLUSHALL
        a!: MULTI
        a: EXEC
        b: SELECT 1
        b: SET k 1
        a: WATCH k
        b: SWAPDB 0 1
        a!: MULTI
        a: EXEC""",
    # WATCH is in time, and b waits for longer than k lives, without a look at it.
    "expiry": """
        a: SET k 1 PX 50; WATCH k
        b: BLPOP nothing 0.1
        a!: MULTI
        a!: SET other 1
        a: EXEC""",
    "local commands inside": """
        a!: MULTI
        a!: PING
        a!: ECHO hi
        a!: SET k 1
        a!: CLIENT GETNAME
        a!: CLIENT SETNAME me
        a!: GET k
        a!: CONFIG SET maxclients x
        a: EXEC
        a: CLIENT GETNAME
        a!: MULTI
        a!: PING
        a: EXEC""",
    "RESP3": """
        a: HELLO 3
        a: DEL h
        a: WATCH k
        b: SET k 1
        a!: MULTI
        a!: GET nothing
        a: EXEC
        a!: MULTI
        a!: HSET h f v
        a!: HGETALL h
        a!: GET nothing
        a!: ZADD z 1.5 m
        a!: ZSCORE z m
        a: EXEC""",
    "reset forgets what is watched": """
        a: WATCH k
        b: SET k 1
        a: RESET
        a!: MULTI
        a!: GET k
        a: EXEC""",
    "reset and quit": """
        a!: MULTI
        a!: SET k reset
        a: RESET
        a: EXEC
        a: GET k
        a!: MULTI
        a: QUIT""",
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, ...]]:
    if find_redis_server() is None:
        pytest.skip("redis-server is not installed")
    data = tmp_path_factory.mktemp("transactions")
    with kiwi(data / "kiwi", {}) as ours, redis_server(data / "redis", {}) as theirs:
        yield ours, theirs


@pytest.mark.parametrize("name", SCRIPTS)
def test_transcripts(servers: tuple[ServerProcess, ...], name: str) -> None:
    ours, theirs = (play(server.port, "a: FLUSHALL\n" + SCRIPTS[name]) for server in servers)
    assert ours == theirs
