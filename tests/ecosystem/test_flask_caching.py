"""Flask-Caching: cached views and functions of a Flask application."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask_caching import Cache

from tests.support.servers import wait_until


@pytest.fixture(scope="module")
def application(url: str) -> Iterator[Flask]:
    application = Flask(__name__)
    application.config.update(
        CACHE_TYPE="RedisCache", CACHE_REDIS_URL=url, CACHE_KEY_PREFIX="site:", TESTING=True
    )
    with application.app_context():
        yield application


@pytest.fixture(scope="module")
def cache(application: Flask) -> Iterator[Cache]:
    cache = Cache(application)
    yield cache
    backend: Any = cache.cache
    backend._write_client.close()


def test_a_view_is_computed_once(application: Flask, cache: Cache) -> None:
    calls = itertools.count(1)

    @application.route("/page")
    @cache.cached(timeout=60)
    def page() -> str:
        return str(next(calls))

    browser = application.test_client()
    assert [browser.get("/page").text for _ in range(3)] == ["1", "1", "1"]


def test_a_function_is_remembered_until_it_is_forgotten(cache: Cache) -> None:
    calls: list[int] = []

    @cache.memoize(timeout=60)
    def square(number: int) -> int:
        calls.append(number)
        return number * number

    assert [square(3), square(3), square(4)] == [9, 9, 16]
    cache.delete_memoized(square, 3)
    assert [square(3), square(4)] == [9, 16]
    assert calls == [3, 4, 3]


def test_values_live_until_they_expire_or_are_deleted(cache: Cache) -> None:
    assert cache.set("name", "anna", timeout=60)
    assert cache.get("name") == "anna"
    assert cache.has("name")
    assert not cache.add("name", "other")
    assert cache.delete("name")
    assert cache.get("name") is None
    assert cache.set("short", 1, timeout=1)
    wait_until(lambda: cache.get("short") is None, "the end of a short life")


def test_many_values_at_once(cache: Cache) -> None:
    assert cache.set_many({"a": 1, "b": [2]}, timeout=60)
    assert cache.get_many("a", "b", "c") == [1, [2], None]
    assert cache.delete_many("a", "b")
    assert cache.get_dict("a", "b") == {"a": None, "b": None}
    assert cache.set("rest", 1)
    assert cache.clear()
    assert cache.get("rest") is None
