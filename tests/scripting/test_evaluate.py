"""EVAL and SCRIPT: what they promise beside the replies that a real server gives, too."""

from __future__ import annotations

import logging
from typing import Final

import pytest

from kiwi_engine.errors import OverloadedError
from kiwi_engine.scripting.script_cache import EVALUATED_MAX
from tests.scripting.helpers import World
from tests.support.client import ErrorReply

# Where Redis 7.2 does otherwise than 7.0, which the scripts are compared with.
_OF_REDIS_72: Final = {
    "return redis.call('BLPOP', 'list', 0)": [b"list", b"x"],
    "return redis.call('BLPOP', 'nothing', 0)": None,
    "return redis.call('XREAD', 'BLOCK', 0, 'STREAMS', 'nothing', '$')": None,
    "return redis.call('SET', 'n', -0.0) and redis.call('GET', 'n')": b"0",
    "return redis.call('SET', 'n', 0.1) and redis.call('GET', 'n')": b"0.1",
    "return redis.call('SET', 'n', 1e20) and redis.call('GET', 'n')": b"1e+20",
    "return redis.call('SET', 'n', 2^62) and redis.call('GET', 'n')": b"4611686018427387904",
    "return {double=0.1}": b"0.1",
    "return {double=-0.0}": b"-0",
    "return redis.REDIS_VERSION": b"7.2.4",
    "return redis.REDIS_VERSION_NUM": 0x070204,
}


@pytest.mark.parametrize("script", _OF_REDIS_72)
def test_scripts_of_redis_72(script: str) -> None:
    world = World()
    world.command("RPUSH", "list", "x", "y")
    assert world.evaluate(script) == _OF_REDIS_72[script]


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("redis.log(9, 'y')", "ERR Invalid log level."),
        ("redis.set_repl()", "ERR redis.set_repl() requires one argument."),
        ("error({})", "ERR unknown error"),
        ("error({err={}})", "ERR unknown error"),
        ("redis.call('LASTSAVE')", "ERR This Redis command is not allowed from script"),
    ],
)
def test_errors_of_redis_72(script: str, error: str) -> None:
    world = World()
    digest = world.command("SCRIPT", "LOAD", script).decode()
    expected = f"{error} script: {digest}, on @user_script:1."
    assert str(world.command("EVALSHA", digest, 0)) == expected


def test_the_clock_stands_still() -> None:
    script = "local a = redis.call('TIME') for i = 1, 1e6 do end local b = redis.call('TIME') "
    assert World().evaluate(script + "return a[1] == b[1] and a[2] == b[2]") == 1


def test_what_a_failed_script_has_written_stays() -> None:
    world = World()
    reply = world.evaluate("redis.call('SET', 'a', 1) redis.call('LPUSH', 'a', 2)")
    assert str(reply).startswith("WRONGTYPE ")
    assert world.command("GET", "a") == b"1"


def test_writes_are_refused_one_by_one() -> None:
    world = World()
    world.command("SET", "a", 1)
    world.executor.refusal = OverloadedError("BUSY writes have to wait")
    assert world.evaluate("return redis.call('GET', 'a')") == b"1"
    assert str(world.evaluate("return redis.call('SET', 'a', 2)")).startswith("BUSY writes")
    assert world.evaluate("return redis.pcall('SET', 'a', 2).err") == b"BUSY writes have to wait"
    world.executor.refusal = None
    assert world.command("GET", "a") == b"1"


def test_what_is_written_at_once_is_bounded() -> None:
    world = World()
    script = "while redis.call('INCR', 'n') < 9 do end"
    usage = world.executor.usage
    world.executor.is_overfull = lambda: "incr" in usage and usage["incr"].calls >= 3
    reply = world.evaluate(script)
    assert str(reply).startswith("ERR too much is written at once by one script or transaction")
    assert world.evaluate("return redis.call('GET', 'n')") == b"3"


def test_the_oldest_scripts_of_eval_are_forgotten() -> None:
    world = World()
    loaded = world.command("SCRIPT", "LOAD", "return 'loaded'")
    kept = world.command("SCRIPT", "LOAD", "return 'first'")
    assert world.evaluate("return 'first'") == b"first"
    for number in range(EVALUATED_MAX + 10):
        world.evaluate(f"return {number}")
        # In use: not among the oldest.
        world.evaluate("return 3")
    cache = world.scripts.cache
    assert (len(cache), cache.evicted) == (EVALUATED_MAX + 2, 10)
    assert world.command("EVALSHA", loaded, 0) == b"loaded"
    assert world.command("EVALSHA", kept, 0) == b"first"
    assert world.evaluate("return 3") == 3
    assert cache.evicted == 10
    assert world.evaluate("return 0") == 0
    assert cache.evicted == 11
    assert cache.size == sum(script.size for script in cache._scripts.values())


def test_a_script_that_is_loaded_later_stays() -> None:
    world = World()
    world.evaluate("return 'x'")
    digest = world.command("SCRIPT", "LOAD", "return 'x'")
    for number in range(EVALUATED_MAX + 1):
        world.evaluate(f"return {number}")
    assert world.command("EVALSHA", digest, 0) == b"x"


def test_flush_forgets_all() -> None:
    world = World()
    digest = world.command("SCRIPT", "LOAD", "return 1")
    assert world.command("SCRIPT", "EXISTS", digest, "0" * 40) == [1, 0]
    assert world.command("SCRIPT", "FLUSH") == b"OK"
    assert world.command("SCRIPT", "EXISTS", digest) == [0]
    assert str(world.command("EVALSHA", digest, 0)).startswith("NOSCRIPT ")
    assert (len(world.scripts.cache), world.scripts.cache.size) == (0, 0)


def test_an_error_in_our_own_code_is_an_error_of_the_script(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    assert world.evaluate("return 1") == 1
    monkeypatch.setattr(world.executor, "call", lambda context, words: words.no_such_attribute)
    reply = world.evaluate("return {pcall(redis.call, 'GET', 'a'), 2}")
    assert reply == [None, 2]
    assert "failed" in caplog.text
    monkeypatch.undo()
    assert world.evaluate("redis.call('SET', 'a', 1) return redis.call('GET', 'a')") == b"1"


def test_what_scripts_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    World().evaluate(
        "redis.log(redis.LOG_WARNING, 'one', 2, 'three') redis.log(redis.LOG_DEBUG, 'x')"
    )
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "one 2 three"),
        ("DEBUG", "x"),
    ]


def test_debug_is_refused() -> None:
    world = World()
    assert world.command("SCRIPT", "DEBUG", "NO") == b"OK"
    assert isinstance(world.command("SCRIPT", "DEBUG", "YES"), ErrorReply)
    assert str(world.command("SCRIPT", "DEBUG", "maybe")) == "ERR Use SCRIPT DEBUG YES/SYNC/NO"


class _OnlyReads:
    """A user who may call GET and nothing else."""

    def permit(self, source: int, name: str, words: list[bytes], in_script: bool):  # type: ignore[no-untyped-def]
        raise AssertionError("not asked here")

    def may_call(self, name: str, words: list[bytes]) -> bool:
        return words[0].upper() == b"GET"

    def may_read_any_key(self, name: str, words: list[bytes]) -> bool:
        return False


def test_a_script_can_ask_what_its_user_may() -> None:
    world = World()
    world.executor.permissions = _OnlyReads()
    asked = "return {redis.acl_check_cmd('GET', 'a'), redis.acl_check_cmd('SET', 'a', 1)}"
    assert world.evaluate(asked) == [1, 1]
    world.user = "reader"
    assert world.evaluate(asked) == [1, None]
    reply = world.evaluate("return redis.acl_check_cmd('nothing')")
    assert str(reply).startswith("ERR Invalid command passed to redis.acl_check_cmd()")
