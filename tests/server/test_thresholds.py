"""Thresholds of encodings, changed while the server runs, under the names of Redis 7 and before."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.client import Client

# Setting and older name, its small value, a command within it and one beyond, both encodings.
THRESHOLDS: Final = [
    ("hash-max-listpack-entries", "hash-max-ziplist-entries", "hset k a 1", "hset k b 2"),
    ("hash-max-listpack-value", "hash-max-ziplist-value", "hset k a 1", "hset k a 22"),
    ("set-max-intset-entries", None, "sadd k 1", "sadd k 2"),
    ("set-max-listpack-entries", None, "sadd k a", "sadd k b"),
    ("set-max-listpack-value", None, "sadd k a", "sadd k bb"),
    ("zset-max-listpack-entries", "zset-max-ziplist-entries", "zadd k 1 a", "zadd k 2 b"),
    ("zset-max-listpack-value", "zset-max-ziplist-value", "zadd k 1 a", "zadd k 2 bb"),
    ("list-max-listpack-size", "list-max-ziplist-size", "rpush k a", "rpush k b"),
]
NAMES: Final = [
    (asked, name, small, large)
    for name, alias, small, large in THRESHOLDS
    for asked in (name, alias)
    if asked is not None
]


def encoding(client: Client) -> bytes:
    reply = client.command("OBJECT", "ENCODING", "k")
    assert isinstance(reply, bytes)
    return reply


@pytest.mark.parametrize(("asked", "name", "small", "large"), NAMES)
def test_a_threshold_is_obeyed_at_once(
    client: Client, asked: str, name: str, small: str, large: str
) -> None:
    before = client.command("CONFIG", "GET", name)[1]
    client.command(*small.split())
    client.command(*large.split())
    usual = encoding(client)
    assert usual in (b"listpack", b"intset")
    try:
        assert client.command("CONFIG", "SET", asked, 1) == b"OK"
        assert client.command("CONFIG", "GET", name) == [name.encode(), b"1"]
        assert client.command("CONFIG", "GET", asked) == [asked.encode(), b"1"]
        client.command("DEL", "k")
        client.command(*small.split())
        assert encoding(client) == usual
        client.command(*large.split())
        assert encoding(client) in (b"hashtable", b"skiplist", b"quicklist")
    finally:
        assert client.command("CONFIG", "SET", name, before) == b"OK"


def test_other_thresholds(client: Client) -> None:
    assert client.command("CONFIG", "SET", "hll-sparse-max-bytes", 60) == b"OK"
    client.command("PFADD", "k", *range(5))
    assert client.command("STRLEN", "k") < 100, "sparse"
    client.command("PFADD", "k", *range(200))
    assert client.command("STRLEN", "k") > 10_000, "dense"
    assert client.command("CONFIG", "SET", "hll-sparse-max-bytes", 3000) == b"OK"

    sizes = []
    for n in range(1, 300):
        client.command("XADD", "stream", f"{n}-1", "a", n)
    for settings in ((100, 4096), (100, 64), (7, 4096)):
        entries_max, bytes_max = settings
        assert client.command("CONFIG", "SET", "stream-node-max-entries", entries_max) == b"OK"
        assert client.command("CONFIG", "SET", "stream-node-max-bytes", bytes_max) == b"OK"
        sizes.append(client.command("DUMP", "stream")[1])
    # The first byte behind the type tells the number of nodes, as long as they are few.
    assert sizes[0] == 3
    assert sizes[2] == -(-299 // 7)
    assert sizes[1] > sizes[0]
    assert client.command("CONFIG", "SET", "stream-node-max-entries", 100) == b"OK"
    assert client.command("CONFIG", "SET", "stream-node-max-bytes", 4096) == b"OK"
