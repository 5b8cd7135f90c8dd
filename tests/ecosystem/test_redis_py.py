"""redis-py: locks, pipelines, scripts, functions, streams, pub/sub, blocking, tracking."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.client import Pipeline

from tests.ecosystem.support import Address
from tests.support.servers import wait_until

Connection = redis.Redis


@pytest.fixture(scope="module")
def connection(url: str) -> Iterator[Connection]:
    with redis.Redis.from_url(url) as client:
        yield client


def test_the_protocol_is_the_chosen_one(connection: Connection, protocol: int) -> None:
    assert connection.client_info()["resp"] == str(protocol)


def test_values_expire_and_are_deleted(connection: Connection) -> None:
    assert connection.set("session", "anna", px=60_000)
    assert 0 < connection.pttl("session") <= 60_000
    assert connection.getex("session", persist=True) == b"anna"
    assert connection.ttl("session") == -1
    assert connection.delete("session") == 1
    assert connection.set("short", "x", px=1)
    wait_until(lambda: connection.get("short") is None, "the end of a short life")


def test_a_lock_has_one_owner(connection: Connection) -> None:
    first = connection.lock("lock", timeout=30)
    second = connection.lock("lock", timeout=30, blocking=False)
    assert first.acquire()
    assert not second.acquire()
    assert first.extend(30)
    assert 30 < connection.ttl("lock") <= 60
    first.release()
    assert second.acquire()
    connection.delete("lock")
    with pytest.raises(redis.exceptions.LockError):
        second.release()


def test_a_transaction_is_repeated_when_its_key_changes(connection: Connection, url: str) -> None:
    connection.set("counter", 1)
    attempts: list[int] = []

    def double(pipeline: Pipeline) -> None:
        found: Any = pipeline.get("counter")
        value = int(found)
        attempts.append(value)
        if len(attempts) == 1:
            with redis.Redis.from_url(url) as other:
                other.set("counter", 10)
        pipeline.multi()
        pipeline.set("counter", value * 2)

    assert connection.transaction(double, "counter") == [True]
    assert attempts == [1, 10]
    assert connection.get("counter") == b"20"


def test_an_error_in_a_transaction_leaves_the_other_commands(connection: Connection) -> None:
    with connection.pipeline() as pipeline:
        pipeline.set("text", "x")
        pipeline.incr("text")
        pipeline.rpush("log", "line")
        replies = pipeline.execute(raise_on_error=False)
    assert replies[0] is True
    assert isinstance(replies[1], redis.ResponseError)
    assert replies[2] == 1


def test_a_script_is_loaded_when_the_server_does_not_know_it(connection: Connection) -> None:
    transfer = connection.register_script(
        "redis.call('DECRBY', KEYS[1], ARGV[1])"
        " return {redis.call('GET', KEYS[1]), redis.call('INCRBY', KEYS[2], ARGV[1]), false, 2.9}"
    )
    connection.script_flush()
    connection.set("from", 10)
    assert transfer(keys=["from", "to"], args=[3]) == [b"7", 3, None, 2]
    assert connection.script_exists(transfer.sha) == [True]
    with connection.pipeline() as pipeline:
        transfer(keys=["from", "to"], args=[1], client=pipeline)
        assert pipeline.execute() == [[b"6", 4, None, 2]]


def test_a_function_is_called(connection: Connection) -> None:
    code = (
        "#!lua name=shop\n"
        "redis.register_function('sell', function(keys, args)"
        " return redis.call('DECRBY', keys[1], args[1]) end)"
    )
    assert connection.function_load(code, replace=True) == b"shop"
    connection.set("stock", 5)
    assert connection.fcall("sell", 1, "stock", 2) == 3
    assert connection.function_delete("shop")


def test_a_group_shares_a_stream(connection: Connection) -> None:
    connection.xgroup_create("jobs", "workers", id="0", mkstream=True)
    for number in range(3):
        connection.xadd("jobs", {"number": number}, maxlen=100, approximate=True)
    read: Any = connection.xreadgroup("workers", "a", {"jobs": ">"}, count=2)
    entries = [identity for identity, _ in read[0][1]]
    assert len(entries) == 2
    assert connection.xack("jobs", "workers", entries[0]) == 1
    claimed: Any = connection.xautoclaim("jobs", "workers", "b", min_idle_time=0)
    assert [identity for identity, _ in claimed[1]] == [entries[1]]
    read = connection.xreadgroup("workers", "b", {"jobs": ">"}, block=1000)
    assert [entry for _, entry in read[0][1]] == [{b"number": b"2"}]
    assert not connection.xreadgroup("workers", "b", {"jobs": ">"}, block=10)
    assert connection.xpending("jobs", "workers")["pending"] == 2


def test_a_waiting_pop_gets_what_another_connection_pushes(
    connection: Connection, url: str
) -> None:
    def push() -> None:
        with redis.Redis.from_url(url) as other:
            wait_until(lambda: _blocked(other) == 1, "a client that waits")
            other.rpush("queue", "task")

    pusher = threading.Thread(target=push)
    pusher.start()
    assert connection.blpop(["empty", "queue"], timeout=10) == (b"queue", b"task")
    pusher.join()
    assert connection.blpop(["queue"], timeout=0.01) is None


def _blocked(connection: Connection) -> int:
    return int(connection.info("clients")["blocked_clients"])


def test_subscribers_get_what_is_published(connection: Connection) -> None:
    with connection.pubsub(ignore_subscribe_messages=True) as subscriber:
        subscriber.subscribe("news")
        subscriber.psubscribe("weather.*")
        wait_until(lambda: connection.pubsub_numsub("news") == [(b"news", 1)], "a subscription")
        wait_until(lambda: connection.pubsub_numpat() == 1, "a pattern")
        connection.publish("news", "one")
        connection.publish("weather.north", "two")
        received: list[tuple[str, bytes, bytes]] = []

        def listen() -> bool:
            message = subscriber.get_message(timeout=0.1)
            if message:
                received.append((message["type"], message["channel"], message["data"]))
            return len(received) == 2

        wait_until(listen, "two messages")
    assert received == [
        ("message", b"news", b"one"),
        ("pmessage", b"weather.north", b"two"),
    ]


def test_a_redirected_connection_learns_which_keys_changed(
    connection: Connection, address: Address
) -> None:
    with (
        redis.Redis.from_url(address.url(2), client_name="listener") as listener,
        redis.Redis.from_url(address.url(2), single_connection_client=True) as reader,
        listener.pubsub(ignore_subscribe_messages=True) as subscriber,
    ):
        subscriber.subscribe("__redis__:invalidate")
        (identity,) = (
            int(client["id"]) for client in connection.client_list() if client["name"] == "listener"
        )
        assert reader.client_tracking_on(clientid=identity)
        connection.set("watched", 1)
        assert reader.get("watched") == b"1"
        connection.set("watched", 2)
        messages: list[object] = []

        def invalidated() -> bool:
            if message := subscriber.get_message(timeout=0.1):
                messages.append(message["data"])
            return bool(messages)

        wait_until(invalidated, "an invalidation")
    assert messages == [[b"watched"]]
