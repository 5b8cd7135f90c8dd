"""What scripts cannot reach, and what is not left of one for the next."""

from __future__ import annotations

import pytest

from tests.scripting.helpers import World
from tests.support.client import ErrorReply


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.mark.parametrize(
    "name",
    [
        "io", "debug", "require", "package", "module", "dofile", "loadfile", "print", "python",
        "getfenv", "setfenv", "newproxy", "__redis__err__handler", "arg",
    ],
)  # fmt: skip
def test_what_is_not_there(world: World, name: str) -> None:
    reply = world.evaluate(f"return {name}")
    assert f"nonexistent global variable '{name}'" in str(reply)
    assert world.evaluate(f"return rawget(_G, '{name}') == nil") == 1


def test_of_the_operating_system_only_the_clock(world: World) -> None:
    assert world.evaluate("local n = {} for k in pairs(os) do n[#n + 1] = k end return n") == [
        b"clock"
    ]
    assert world.evaluate("return type(os.clock())") == b"number"


@pytest.mark.parametrize(
    "attempt",
    [
        "_G.leak = 1",
        "leak = 1",
        "rawset(_G, 'leak', 1)",
        "table.insert(_G, 'leak')",
        "setmetatable(_G, {__index = {leak = 1}})",
        "getmetatable(_G).__index = function() return 1 end",
        "getmetatable('').__index = {leak = 1}",
        "getmetatable('').leak = 1",
        "string.leak = 1",
        "redis.leak = 1",
        "math.leak = 1",
        "cjson.leak = 1",
        "loadstring('leak = 1')()",
        "load(function() return nil end)() leak = 1",
        "coroutine.wrap(function() leak = 1 end)()",
        "next(_G, nil) _G['leak'] = 1",
        "for k, v in pairs(_G) do if type(v) == 'table' then v.leak = 1 end end",
        "KEYS = {leak = 1}",
    ],
)
def test_nothing_is_left_behind(world: World, attempt: str) -> None:
    assert isinstance(world.evaluate(attempt), ErrorReply)
    look = (
        "for _, v in pairs(_G) do if type(v) == 'table' and rawget(v, 'leak') then return 1 end end"
    )
    assert world.evaluate(look) is None
    assert world.evaluate("return rawget(_G, 'leak') == nil and ('').leak == nil") == 1


def test_keys_and_arguments_are_those_of_the_run(world: World) -> None:
    assert world.evaluate("KEYS.x = 1 ARGV[1] = 'y' return ARGV[1]", "a", keys=["k"]) == b"y"
    assert world.evaluate("return {KEYS.x == nil and 1, #KEYS, #ARGV}") == [1, 0, 0]
    many = [str(number) for number in range(1000)]
    expected = [f"{number}".encode() for number in range(1000)]
    assert world.evaluate("return KEYS", keys=many) == expected
    assert world.evaluate("return ARGV", *many) == expected
    reply = world.evaluate(
        "return {#KEYS, KEYS[333], #ARGV, ARGV[1], ARGV[667]}", *many[333:], keys=many[:333]
    )
    assert reply == [333, b"332", 667, b"333", b"999"]


def test_a_local_of_the_script_is_fresh_each_time(world: World) -> None:
    script = "local count = 0 count = count + 1 return count"
    assert [world.evaluate(script) for _ in range(3)] == [1, 1, 1]


def test_bytecode_is_not_loaded(world: World) -> None:
    reply = world.evaluate("return {loadstring(string.dump(function() return 1 end))}")
    assert reply == []
    assert world.evaluate("return select(2, loadstring(string.dump(print or pairs)))") or True


@pytest.mark.parametrize("depth", [10, 15_000])
def test_a_tail_call_keeps_its_line(world: World, depth: int) -> None:
    script = (
        "local function f(n) if n == 0 then return redis.call('nothing') end return f(n - 1) end"
    )
    script += f"\nreturn f({depth})"
    assert str(world.evaluate(script)).endswith("on @user_script:1.")


def test_a_collection_cannot_be_stopped(world: World) -> None:
    assert world.evaluate("return collectgarbage('stop')") == 0
    reply = world.evaluate("for i = 1, 200000 do local t = {i} end return collectgarbage('count')")
    assert reply < 20_000


def test_a_table_constructor_with_raw_counts_survives(world: World) -> None:
    """Bytecode in which a word is data: more items than an instruction can say."""
    items = ", ".join(["1"] * 60_000)
    assert (
        world.evaluate(f"local function f(x) return x end local t = {{{items}}} return f(#t)")
        == 60_000
    )


def test_replies_of_commands_reach_nothing_of_python(world: World) -> None:
    assert world.evaluate("return type(redis.call)") == b"function"
    for script in (
        "return redis.call.__class__",
        "return redis.call['__globals__']",
        "for k, v in pairs(redis) do if type(v) == 'userdata' then return k end end return 'none'",
    ):
        reply = world.evaluate(script)
        assert reply == b"none" or "attempt to index" in str(reply)
