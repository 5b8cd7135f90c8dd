"""walrus: containers, models, locks, rate limits and streams."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import walrus

from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, Address
from tests.support.servers import wait_until

# walrus calls a method of redis-py that is to go.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


@pytest.fixture(scope="module")
def database(address: Address, protocol: int, url: str) -> Iterator[walrus.Database]:
    database = walrus.Database(**address.options(protocol))
    yield database
    database.close()


def test_containers_are_redis_values(database: walrus.Database) -> None:
    users = database.Hash("users")
    users.update(anna="1", ben="2")
    assert users["anna"] == b"1"
    assert dict(users) == {b"anna": b"1", b"ben": b"2"}
    names = database.List("names")
    names.extend(["a", "b", "c"])
    assert (names.popleft(), list(names)) == (b"a", [b"b", b"c"])
    scores = database.ZSet("scores")
    scores.add({"x": 1, "y": 2.5})
    assert scores.range(0, -1, with_scores=True) == [(b"x", 1.0), (b"y", 2.5)]
    assert scores.score("y") == 2.5
    tags = database.Set("tags")
    tags.add("red", "green")
    assert b"red" in tags


def test_models_are_found_by_their_fields(database: walrus.Database) -> None:
    class Person(walrus.Model):
        __database__ = database
        name = walrus.TextField(primary_key=True)
        age = walrus.IntegerField(index=True)

    for name, age in (("anna", 30), ("ben", 40), ("carl", 50)):
        Person.create(name=name, age=age)
    assert Person.load("ben").age == 40
    older = Person.query((Person.age > 30) & (Person.age <= 50), order_by=Person.age)
    assert [person.name for person in older] == ["ben", "carl"]
    Person.get(Person.age == 40).delete()
    assert [person.name for person in Person.query(Person.age > 30)] == ["carl"]


def test_a_lock_has_one_owner(database: walrus.Database) -> None:
    lock = database.lock("lock", ttl=30_000)
    other = database.lock("lock", ttl=30_000)
    assert lock.acquire()
    assert not other.acquire(block=False)
    assert not other.release()
    assert lock.release()
    assert other.acquire(block=False)


def test_a_waiting_owner_is_woken(database: walrus.Database) -> None:
    lock = database.lock("handed over", ttl=30_000)
    assert lock.acquire()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(database.lock("handed over", ttl=30_000).acquire)
        wait_until(lambda: database.info("clients")["blocked_clients"] == 1, "a waiting owner")
        assert lock.release()
        assert waiting.result(RESULT_TIMEOUT_SECONDS)


@pytest.mark.parametrize("kind", ["rate_limit", "rate_limit_lua"])
def test_a_rate_limit_holds(database: walrus.Database, kind: str) -> None:
    limit = getattr(database, kind)(kind, limit=3, per=60)
    assert [limit.limit("user") for _ in range(4)] == [False, False, False, True]


def test_a_cache_remembers(database: walrus.Database) -> None:
    cache = database.cache("cache", default_timeout=60)
    calls: list[int] = []

    @cache.cached()
    def square(number: int) -> int:
        calls.append(number)
        return number * number

    assert [square(4), square(4)] == [16, 16]
    assert calls == [4]
    cache.set("key", "value")
    assert cache.get("key") == "value"
    cache.delete("key")
    assert cache.get("key") is None


def test_a_group_shares_a_stream(database: walrus.Database) -> None:
    group = database.consumer_group("group", ["events"])
    group.create()
    group.set_id("0")
    identity = group.events.add({"kind": "start"})
    ((found, entry),) = group.events.read()
    assert (found, entry) == (identity, {b"kind": b"start"})
    assert group.events.ack(identity) == 1


def test_scripts_work_on_lists_and_hashes(database: walrus.Database) -> None:
    hash_ = database.Hash("counters")
    hash_.update(a="1")
    array = database.Array("array")
    array.extend(["a", "b", "c"])
    assert (array[1], array.pop(), list(array)) == (b"b", b"c", [b"a", b"b"])
    del array[0]
    assert list(array) == [b"b"]
