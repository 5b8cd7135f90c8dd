"""What is told when commands come upon a key that has expired, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.differential.notified import NotifiedExecutor, NotifiedServer
from tests.support.servers import ServerProcess

CLASSES: Final = "KEAnm"
# `a` has expired when the command in question comes.
OPENING: Final = (
    "set b 5",
    "sadd s 1",
    "zadd z 1 m",
    "rpush l 1 2",
    "geoadd geo 1 1 m",
    "psetex a 1 x",
    "debug sleep 0.003",
)
COMMANDS: Final = """
    get a; set a y; set a y keepttl; set a y nx; set a y xx; set a y get; set a y ex 100; setnx a y
    setex a 100 y; psetex a 1000 x; getset a y; getdel a; getex a persist; incr a; incrbyfloat a 1
    append a x; setrange a 1 x; strlen a; getrange a 0 1; mget a b a; mset a 1 b 2; msetnx a 1 e 2
    del a; unlink a b; exists a a; type a; ttl a; pttl a; persist a; expire a 100; expire a -1
    rename b a; renamenx b a; copy b a; copy b a replace; copy a b replace; move a 1
    sadd a x; srem a x; scard a; smove s a 1; smove a s 1; sunionstore a s; sdiffstore a s
    sinter a s; zadd a 1 x; zadd a xx 1 x; zunionstore a 1 z; zrangestore a z 0 -1; zpopmin a
    sort l store a; sort a; bitop not a b; setbit a 1 1; bitfield a set u8 0 1; pfadd a x; pfcount a
    lpush a x; lpushx a x; lpop a; lmove l a left right; lmove a l left right; rpoplpush l a
    linsert a before x y; lrem a 0 x; ltrim a 0 1; hset a f v; hdel a f; hget a f; hincrby a f 1
    hsetnx a f 1; xadd a 1-1 f v; xadd a nomkstream 1-1 f v; xgroup create a g $ mkstream; xlen a
    geoadd a 1 1 m; geosearchstore a geo frommember m byradius 10 m; object encoding a; touch a
    dump a; scan 0; dbsize; swapdb 0 1; flushdb; flushall; xread streams a 0; pfmerge a
"""


@pytest.fixture(scope="module")
def reference(redis_process: ServerProcess) -> Iterator[NotifiedServer]:
    server = NotifiedServer("127.0.0.1", redis_process.port, CLASSES)
    server.allow_active_expiry(is_on=False)
    yield server
    server.close()


def test_expired_keys_are_told_of(reference: NotifiedServer) -> None:
    lines = [line.strip() for line in COMMANDS.replace("\n", ";").split(";") if line.strip()]
    sequences = [[line.encode().split() for line in (*OPENING, command)] for command in lines]
    ours = NotifiedExecutor(CLASSES).run_all(sequences)
    for line, (_, expected), actual in zip(lines, reference.run_all(sequences), ours, strict=True):
        assert expected == actual, line
