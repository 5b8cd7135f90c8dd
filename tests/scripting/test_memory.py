"""Scripts that want more memory than there is: an error, and nothing worse.

A lack of memory where Python gives a value to Lua would end this process, or stop it for ever: the
scripts below fill the interpreter to its brim and go on calling.
"""

from __future__ import annotations

import gc
import weakref
from typing import Final

import pytest

from tests.scripting.helpers import World
from tests.support.client import ErrorReply

_MEGABYTE: Final = 1024 * 1024
# Each leaves no room for another piece of its kind.
_FILLS: Final = {
    "tables": "while pcall(function() for i = 1, 50 do t[#t + 1] = {} end end) do end",
    "texts": "while pcall(function() for i = 1, 50 do t[#t + 1] = 'x' .. #t end end) do end",
    "long texts": "while pcall(function() t[#t + 1] = ('x'):rep(999) .. #t end) do end",
    "doubled text": "local s = 'x' while pcall(function() s = s .. s end) do end t[1] = s",
    "closures": "while pcall(function() for i = 1, 50 do t[#t + 1] = function() return t end end "
    "end) do end",
    "stack": "local function deep(n) return n == 0 and 0 or 1 + deep(n - 1) end pcall(deep, 15000)",
}
_CALLS: Final = (
    "redis.call('GET', 'small')",
    "redis.call('GET', 'big')",
    "redis.call('SET', 'other', 1.5)",
    "redis.call('LRANGE', 'list', 0, -1)",
    "redis.call('OBJECT', 'HELP')",
    "redis.pcall('LPUSH', 'small', 1)",
    "redis.call('DEL', unpack(words))",
    "redis.sha1hex('x')",
    "redis.setresp(3)",
    "redis.acl_check_cmd('GET', 'x')",
    "loadstring('return 1')",
    "coroutine.wrap(function() return redis.call('GET', 'small') end)()",
    "cjson.encode({1, 2, 3})",
    "cmsgpack.unpack(cmsgpack.pack({1, 2, 3}))",
    "math.random()",
)


def _world(megabytes: int = 1) -> World:
    world = World(megabytes * _MEGABYTE)
    world.command("SET", "small", "x" * 100)
    world.command("SET", "big", "x" * 300_000)
    world.command("RPUSH", "list", *(f"element {number}" for number in range(900)))
    return world


@pytest.mark.parametrize("fill", _FILLS)
def test_a_full_interpreter_gives_errors(fill: str) -> None:
    world = _world()
    for returned in ("1", "{double=1.5}", "redis.call('GET', 'big')"):
        calls = ", ".join(f"{{pcall(function() return {call} end)}}" for call in _CALLS)
        script = f"local t, words = {{}}, {{}} for i = 1, 50 do words[i] = i end {_FILLS[fill]} "
        world.evaluate(f"{script} local got = {{{calls}}} return {returned}", *range(500))
        assert world.evaluate("return 7") == 7
        assert world.scripts.memory_bytes < 4 * _MEGABYTE


@pytest.mark.parametrize(
    "script",
    [
        "return string.rep('x', 100 * 1024 * 1024)",
        "local t = {} while true do t[#t + 1] = t end",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} for i = 1, 1e9 do t['key ' .. i] = {} end",
        "local s = string.rep('x', 1024 * 1024) return {s, s, s, s, s, s, s, s}",
        "return string.rep('x', 2e6):gsub('x', string.rep('y', 100))",
        "local function f(...) return f(1, ...) end return f()",
    ],
)
def test_what_does_not_fit(script: str) -> None:
    world = _world(2)
    reply = world.evaluate(script)
    assert isinstance(reply, ErrorReply)
    assert world.evaluate("return #KEYS") == 0


def test_the_error_says_so() -> None:
    world = _world()
    digest = world.command("SCRIPT", "LOAD", "return string.rep('x', 1e8)").decode()
    reply = world.command("EVALSHA", digest, 0)
    assert str(reply) == f"ERR Error running script {digest}, not enough memory"


def test_a_reply_that_does_not_fit_can_be_caught() -> None:
    world = _world()
    world.command("SET", "huge", "x" * 2_000_000)
    reply = world.evaluate("return {pcall(redis.call, 'GET', 'huge')}")
    assert reply == [None, b"not enough memory"]
    assert world.evaluate("redis.call('SET', 'after', 1) return redis.call('GET', 'after')") == b"1"


def test_arguments_that_do_not_fit() -> None:
    world = _world()
    reply = world.evaluate("return 1", "x" * 2_000_000)
    assert "not enough memory" in str(reply)
    assert "not enough memory" in str(world.evaluate(f"return 1 --{'x' * 2_000_000}"))
    assert world.evaluate("return ARGV[1]", "fits") == b"fits"


def test_scripts_that_fill_the_interpreter_get_another_one() -> None:
    world = _world()
    for number in range(120):
        assert world.evaluate(f"return {number} --" + "x" * 100) == number
        table = ", ".join(f"'{number} {place}'" for place in range(400))
        assert world.evaluate(f"local t = {{{table}}} return #t") == 400
    assert world.scripts.memory_bytes < 4 * _MEGABYTE


def test_the_interpreter_is_freed_at_once() -> None:
    gc.disable()
    try:
        world = _world(8)
        for _ in range(3):
            world.evaluate("local t = {} for i = 1, 10000 do t[i] = 'x' .. i end return #t")
            assert world.scripts.memory_bytes > 400_000
            interpreter = weakref.ref(world.scripts._sandbox)
            assert interpreter() is not None
            assert world.command("SCRIPT", "FLUSH") == b"OK"
            assert world.scripts.memory_bytes == 0
            assert interpreter() is None
    finally:
        gc.enable()
