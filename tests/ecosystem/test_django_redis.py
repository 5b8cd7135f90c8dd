"""django-redis: Django's cache, with locks and counters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.cache import CacheHandler
from django_redis.cache import RedisCache

from tests.support.servers import wait_until

if not settings.configured:
    settings.configure()


@pytest.fixture(scope="module")
def cache(url: str) -> Iterator[RedisCache]:
    backend = "django_redis.cache.RedisCache"
    caches = CacheHandler({"default": {"BACKEND": backend, "LOCATION": url}})
    cache = caches["default"]
    assert isinstance(cache, RedisCache)
    yield cache
    cache.client.get_client().connection_pool.disconnect()


def test_values_live_until_they_expire_or_are_deleted(cache: RedisCache) -> None:
    cache.set("user", {"name": "anna"}, timeout=60)
    assert cache.get("user") == {"name": "anna"}
    assert 0 < cache.ttl("user") <= 60
    assert not cache.add("user", "other")
    assert cache.touch("user", 120)
    assert cache.ttl("user") > 60
    assert cache.delete("user")
    assert cache.get("user", "none") == "none"
    cache.set("short", 1, timeout=0.01)
    wait_until(lambda: cache.get("short") is None, "the end of a short life")


def test_many_values_at_once(cache: RedisCache) -> None:
    cache.set_many({f"page:{number}": number for number in range(20)}, timeout=60)
    assert cache.get_many(["page:3", "page:4", "nothing"]) == {"page:3": 3, "page:4": 4}
    assert sorted(cache.iter_keys("page:*")) == sorted(f"page:{number}" for number in range(20))
    assert cache.delete_pattern("page:*") == 20


def test_a_counter_keeps_its_life(cache: RedisCache) -> None:
    with pytest.raises(ValueError, match="not found"):
        cache.incr("visits")
    cache.set("visits", 1, timeout=60)
    assert cache.incr("visits", 4) == 5
    assert cache.decr("visits") == 4
    assert 0 < cache.ttl("visits") <= 60


def test_a_version_is_raised(cache: RedisCache) -> None:
    cache.set("document", "text", version=1)
    assert cache.incr_version("document") == 2
    assert cache.get("document", version=2) == "text"
    assert cache.get("document", version=1) is None


def test_a_lock_has_one_owner(cache: RedisCache) -> None:
    with cache.lock("report", timeout=30):
        assert not cache.lock("report", timeout=30).acquire(blocking=False)
    assert cache.lock("report", timeout=30).acquire(blocking=False)


def test_clear_empties_the_database(cache: RedisCache) -> None:
    cache.set("anything", 1)
    cache.clear()
    assert cache.keys("*") == []
