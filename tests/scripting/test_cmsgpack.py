"""MessagePack of scripts. All that is expected here, Redis 7.0 answers, too."""

from __future__ import annotations

import pytest

from tests.scripting.interpreter import Interpreter

Pairs = pytest.mark.parametrize


@Pairs(
    ("expression", "packed"),
    [
        (b"nil", "c0"),
        (b"true, false", "c3c2"),
        (b"0, 127, 128, 255, 256, 65535, 65536", "00 7f cc80 ccff cd0100 cdffff ce00010000"),
        (b"4294967295, 4294967296", "ceffffffff cf0000000100000000"),
        (b"-1, -32, -33, -128, -129", "ff e0 d0df d080 d1ff7f"),
        (b"-32768, -32769, -2147483649", "d18000 d2ffff7fff d3ffffffff7fffffff"),
        (b"-2 ^ 63, 2 ^ 63", "d38000000000000000 ca5f000000"),
        (b"0.5, -0.5, 0.1, -0", "ca3f000000 cabf000000 cb3fb999999999999a 00"),
        (b"1 / 0, -1 / 0", "ca7f800000 caff800000"),
        (b"-(0 / 0)", "cb7ff8000000000000"),
        (b"1e-45, 5e-324", "cb3696d601ad376ab9 cb0000000000000001"),
        (b"'', 'abc'", "a0 a3616263"),
        (b"string.rep('a', 31)", "bf" + "61" * 31),
        (b"string.rep('a', 32)", "d920" + "61" * 32),
        (b"string.rep('a', 256)", "da0100" + "61" * 256),
        (b"string.rep('a', 65536)", "db00010000" + "61" * 65536),
        (b"{}, {1, 2}", "90 920102"),
        (b"{[1] = 1, [3] = 3}", "8201010303"),
        (b"{a = {}}", "81a16190"),
        (b"{[1.5] = true}", "81ca3fc00000c3"),
        (b"cjson.null, pcall", "c0c0"),
    ],
)
def test_packing_and_back(lua: Interpreter, expression: bytes, packed: str) -> None:
    found = lua.evaluate(b"return cmsgpack.pack(" + expression + b")")
    assert found.hex() == packed.replace(" ", "")
    shown = lua.show(b"cmsgpack.unpack(ARGV[1])", found)
    assert lua.show(b"cmsgpack.unpack(cmsgpack.pack(cmsgpack.unpack(ARGV[1])))", found) == shown


def test_long_lists_and_maps(lua: Interpreter) -> None:
    make = b"local t = {} for at = 1, %d do t[%s] = at end return cmsgpack.pack(t)"
    assert lua.evaluate(make % (16, b"at")).hex()[:8] == "dc001001"
    assert lua.evaluate(make % (16, b"-at")).hex()[:6] == "de0010"
    size = b"local n = 0 for _ in pairs(cmsgpack.unpack(ARGV[1])) do n = n + 1 end return n"
    for key, head in ((b"at", "dd00010000"), (b"at + 1", "df00010000")):
        packed = lua.evaluate(make % (65536, key))
        assert packed.hex().startswith(head)
        assert lua.evaluate(size, packed) == 65536


def test_what_is_nested_too_deep_is_nil(lua: Interpreter) -> None:
    script = b"local t = {} for at = 1, 20 do t = {t} end return cmsgpack.pack(t)"
    assert lua.evaluate(script).hex() == "91" * 16 + "c0"


@Pairs(
    ("data", "shown"),
    [
        ("d0ff d1fffe d2fffffffd d3fffffffffffffffc", "-1 | -2 | -3 | -4"),
        ("cfffffffffffffffff", "-1"),
        ("ca40490fdb cb400921fb54442d18", "3.1415927410125732 | 3.1415926535897931"),
        ("cbfff8000000000000", "-nan"),
        ("dc0002c0c3", "{[2]=true}"),
        ("de000101a161", '{[1]="a"}'),
        ("d901ff", '"\xff"'),
        ("", ""),
    ],
)
def test_unpacking(lua: Interpreter, data: str, shown: str) -> None:
    assert lua.show(b"cmsgpack.unpack(ARGV[1])", bytes.fromhex(data)) == shown


@Pairs(
    ("data", "problem"),
    [
        ("c1", "user_script:1: Bad data format in input."),
        ("c40161", "user_script:1: Bad data format in input."),
        ("a361", "user_script:1: Missing bytes in input."),
        ("9201", "user_script:1: Missing bytes in input."),
        ("cd00", "user_script:1: Missing bytes in input."),
        ("dbffffffff61", "user_script:1: Missing bytes in input."),
        ("81c001", "table index is nil"),
        ("81cb7ff800000000000001", "table index is NaN"),
        (
            "91" * 20000,
            "user_script:1: stack overflow (in function mp_decode_to_lua_array)",
        ),
    ],
)
def test_what_is_no_messagepack(lua: Interpreter, data: str, problem: str) -> None:
    assert lua.problem(b"return cmsgpack.unpack(ARGV[1])", bytes.fromhex(data)) == problem


@Pairs(
    ("call", "shown"),
    [
        (b"unpack_one('\\1\\2')", "1 | 1"),
        (b"unpack_one('\\1\\2', 1)", "-1 | 2"),
        (b"unpack_one('\\1\\2', 2)", "-1"),
        (b"unpack_limit('\\1\\2\\3', 2)", "2 | 1 | 2"),
        (b"unpack_limit('\\1\\2\\3', 2, 2)", "-1 | 3"),
        (b"unpack_limit('\\1\\2\\3', 0)", "1 | 2 | 3"),
    ],
)
def test_unpacking_in_parts(lua: Interpreter, call: bytes, shown: str) -> None:
    assert lua.show(b"cmsgpack." + call) == shown


@Pairs(
    ("call", "problem"),
    [
        (b"unpack_one('a', 2)", "Start offset 2 greater than input length 1."),
        (
            b"unpack_limit('abc', -1, 2)",
            "Invalid request to unpack with offset of 2 and limit of 3.",
        ),
        (b"unpack_limit('a')", "bad argument #2 to 'unpack_limit' (number expected, got no value)"),
        (b"unpack(nil)", "bad argument #1 to 'unpack' (string expected, got nil)"),
        (b"pack()", "bad argument #0 to 'pack' (MessagePack pack needs input.)"),
    ],
)
def test_wrong_arguments(lua: Interpreter, call: bytes, problem: str) -> None:
    assert lua.problem(b"return cmsgpack." + call) == f"user_script:1: {problem}"


def test_it_says_what_it_is(lua: Interpreter) -> None:
    assert lua.evaluate(b"return cmsgpack._NAME .. ' ' .. cmsgpack._VERSION") == (
        b"cmsgpack lua-cmsgpack 0.4.0"
    )
