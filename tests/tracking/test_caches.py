"""Caches of clients, filled and invalidated while others write, never keep a stale value."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import deque
from pathlib import Path
from typing import Any

import hiredis
import pytest
import redis
from redis.cache import CacheConfig
from redis.connection import CacheProxyConnection

from tests.conftest import QUICK_START
from tests.support.client import Client, encode
from tests.support.servers import ServerProcess, kiwi, wait_until

KEYS = [f"key:{n}" for n in range(8)]
WRITES = 200


class CachingClient:
    """Does what a client library does: believes its cache until it is told otherwise.

    What arrives is taken strictly in its order, so that a message in front of the reply that it
    makes stale leaves that reply in the cache.
    """

    def __init__(self, server: ServerProcess, *options: str) -> None:
        self._client = Client(server.port)
        self._client.command("HELLO", 3)
        assert self._client.command("CLIENT", "TRACKING", "ON", *options) == b"OK"
        self.cache: dict[str, bytes | None] = {}
        # The keys whose values are to come, None for other replies.
        self._asked: deque[str | None] = deque()

    def read(self, keys: list[str], *, slowly: bool) -> None:
        """Ask for keys; `slowly`: behind a command that takes a while to be answered."""
        commands = [encode("INFO", "keyspace")] if slowly else []
        self._asked.extend([None] * len(commands))
        self._asked.extend(keys)
        self._client.send(b"".join([*commands, *(encode("GET", key) for key in keys)]))
        self._take()

    def settle(self) -> None:
        """Take everything that was sent before now."""
        self._asked.append(None)
        self._client.send(encode("PING"))
        self._take()

    def close(self) -> None:
        self._client.close()

    def _take(self) -> None:
        while self._asked:
            reply: Any = self._client.reply()
            if not isinstance(reply, hiredis.PushNotification):
                key = self._asked.popleft()
                if key is not None:
                    self.cache[key] = reply
                continue
            kind, keys = reply
            assert kind == b"invalidate"
            for key in list(self.cache) if keys is None else [each.decode() for each in keys]:
                self.cache.pop(key, None)


def write(server: ServerProcess, seed: int) -> None:
    chance = random.Random(seed)
    with server.client() as client:
        for _ in range(WRITES):
            kind = chance.randrange(10)
            keys = chance.sample(KEYS, 2)
            if kind == 0:
                client.pipeline([("MULTI",), ("INCR", keys[0]), ("DEL", keys[1]), ("EXEC",)])
            elif kind == 1:
                client.command("SET", keys[0], chance.randrange(100), "PX", chance.randrange(1, 9))
            elif kind == 2 and chance.randrange(8) == 0:
                client.command("FLUSHDB")
            else:
                client.pipeline([("INCR", key) for key in keys])


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("options", [(), ("BCAST", "PREFIX", "key:")])
def test_no_cache_keeps_what_has_changed(
    server: ServerProcess, client: Client, options: tuple[str, ...], seed: int
) -> None:
    writers = [threading.Thread(target=write, args=(server, 10 * seed + n)) for n in range(2)]
    cache = CachingClient(server, *options)
    chance = random.Random(seed)
    for writer in writers:
        writer.start()
    rounds = 0
    while any(writer.is_alive() for writer in writers):
        missing = [key for key in KEYS if key not in cache.cache]
        cache.read(missing or [chance.choice(KEYS)], slowly=chance.randrange(4) == 0)
        rounds += 1
    cache.read([key for key in KEYS if key not in cache.cache], slowly=False)
    # More than once, because a key that has expired is told of when it is asked for.
    wait_until(lambda: is_right(cache, client), "a cache that is right", 10)
    cache.close()
    assert rounds > 10


def is_right(cache: CachingClient, client: Client) -> bool:
    cache.settle()
    return all(client.command("GET", key) == value for key, value in cache.cache.items())


def kill_storage(client: Client) -> None:
    """End the storage process without warning, and wait for the next one."""
    dead = client.info()["storage_process_id"]
    os.kill(int(dead), signal.SIGKILL)
    wait_until(
        lambda: client.info().get("storage_process_id", "") not in ("", dead), "a new process"
    )


def test_a_new_storage_process_knows_of_no_reads(server: ServerProcess, client: Client) -> None:
    """So everybody is told to forget everything, unasked, and is followed from then on."""
    flushed, changed = [b"invalidate", None], [b"invalidate", [b"k"]]
    cache = CachingClient(server)
    client.pipeline([("SET", key, 1) for key in KEYS])
    cache.read(KEYS, slowly=True)
    assert len(cache.cache) == len(KEYS)
    with server.client() as by_key, server.client() as by_prefix:
        for reader, options in ((by_key, ()), (by_prefix, ("BCAST", "PREFIX", "k"))):
            reader.command("HELLO", 3)
            reader.command("CLIENT", "TRACKING", "ON", *options)
        assert by_key.command("GET", "k") is None
        kill_storage(client)
        assert (by_key.reply(), by_prefix.reply()) == (flushed, flushed)
        # Nobody has read it since.
        assert client.command("SET", "k", 1) == b"OK"
        assert by_prefix.reply() == changed
        assert by_key.command("GET", "k") == b"1"
        assert client.command("SET", "k", 2) == b"OK"
        assert (by_key.reply(), by_prefix.reply()) == (changed, changed)
    cache.settle()
    assert cache.cache == {}
    cache.read(KEYS, slowly=False)
    client.pipeline([("INCR", key) for key in KEYS[2:6]])
    assert is_right(cache, client)
    assert len(cache.cache) == len(KEYS) - 4
    cache.close()


def test_a_change_that_is_not_durable_is_not_told(tmp_path: Path) -> None:
    """The storage process dies between the write and the sync of the log, whatever comes of it."""
    marker = tmp_path / "marker"
    marker.touch()
    environment = {"KIWI_FAILPOINT": f"wal-append:1:{marker}"}
    with (
        kiwi(tmp_path / "data", QUICK_START, environment=environment) as server,
        server.client() as writer,
        server.client() as reader,
    ):
        reader.command("HELLO", 3)
        reader.command("CLIENT", "TRACKING", "ON")
        assert writer.command("SET", "k", "old") == b"OK"
        assert reader.command("GET", "k") == b"old"
        marker.unlink()
        assert str(writer.command("SET", "k", "new")).startswith("UNKNOWN")
        assert marker.exists()
        # Not the key, which would have come with the reply to the write.
        assert reader.reply() == [b"invalidate", None]
        assert reader.command("GET", "k") in (b"old", b"new")


def test_the_cache_of_redis_py(server: ServerProcess, client: Client) -> None:
    """It works with Redis 7.4 or later by its own choice, not because it needs more than 7.2."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CacheProxyConnection, "MIN_ALLOWED_VERSION", "7.2.0")
        cached = redis.Redis(port=server.port, protocol=3, cache_config=CacheConfig())
        others = redis.Redis(port=server.port)
        cache = cached.get_cache()
        assert cache is not None
        others.set("counter", 0)
        writers = [
            threading.Thread(target=lambda: [others.incr("counter") for _ in range(WRITES)])
            for _ in range(2)
        ]
        for writer in writers:
            writer.start()
        seen = [0]
        while any(writer.is_alive() for writer in writers):
            value = cached.get("counter")
            assert isinstance(value, bytes)
            seen.append(int(value))
        assert seen == sorted(seen), "an older value was read behind a newer one"
        wait_until(lambda: cached.get("counter") == b"%d" % (2 * WRITES), "the last value", 10)
        sent = int(client.info()["total_commands_processed"])
        assert {cached.get("counter") for _ in range(100)} == {b"%d" % (2 * WRITES)}
        assert int(client.info()["total_commands_processed"]) < sent + 10, "it was not cached"
        assert cache.size > 0
        others.flushall()
        wait_until(lambda: cached.get("counter") is None, "an empty cache", 10)
        cached.close()
        others.close()
