"""JSON of scripts. All that is expected here, Redis 7.0 and Valkey 9.1 answer, too."""

from __future__ import annotations

import pytest

from tests.scripting.interpreter import Interpreter

Pairs = pytest.mark.parametrize


@Pairs(
    ("expression", "text"),
    [
        (b"{}", b"{}"),
        (b"{1, 2, 'a'}", b'[1,2,"a"]'),
        (b"{a = {b = {}}}", b'{"a":{"b":{}}}'),
        (b"{[1] = 1, [3] = 3}", b"[1,null,3]"),
        (b"{[1.5] = true}", b'{"1.5":true}'),
        (b"{[0] = 1}", b'{"0":1}'),
        (b"{[2 ^ 40] = 1}", b'{"1099511627776":1}'),
        (b"nil", b"null"),
        (b"cjson.null", b"null"),
        (b"{cjson.null, false}", b"[null,false]"),
        (b"1e15", b"1e+15"),
        (b"0.1", b"0.1"),
        (b"1 / 3", b"0.33333333333333"),
        (b"-0", b"-0"),
        (b"123456789012345", b"1.2345678901234e+14"),
        (rb"'\0\1\8\9\10\12\13\31\127'", rb'"\u0000\u0001\b\t\n\f\r\u001f\u007f"'),
        (rb"'\"\\/\200\255'", rb'"\"\\\/' + b'\xc8\xff"'),
    ],
)
def test_encoding(lua: Interpreter, expression: bytes, text: bytes) -> None:
    assert lua.evaluate(b"return cjson.encode(" + expression + b")") == text


@Pairs(
    ("text", "shown"),
    [
        (b"[]", "{}"),
        (b' [ 1 ,\t"a"\r\n] ', '{[1]=1,[2]="a"}'),
        (b'{"a":{"b":[true,false]}}', '{["a"]={["b"]={[1]=true,[2]=false}}}'),
        (b'{"a":1,"a":2}', '{["a"]=2}'),
        (b"null", "userdata: (nil)"),
        (b"-0", "-0"),
        (b"1e3", "1000"),
        (b"1.", "1"),
        (b"-.5", "-0.5"),
        (b"007", "7"),
        (b"+1", "1"),
        (b"0x1F", "31"),
        (b"-0x1.8p3", "-12"),
        (b"Infinity", "inf"),
        (b"[-inf]", "{[1]=-inf}"),
        (b"1e400", "inf"),
        (b"12345678901234567890", "1.2345678901234567e+19"),
        (rb'"\u00e9\u20ac\ud83d\ude00\/\"\\\b\f\n\r\t"', '"é€😀/\\"\\\\\b\f\\\n\\r\t"'),
        (b'"\xff\x01"', '"\xff\x01"'),
        (b"1 \0garbage", "1"),
    ],
)
def test_decoding(lua: Interpreter, text: bytes, shown: str) -> None:
    wanted = shown.encode("utf-8" if b"\\u" in text else "latin-1").decode("latin-1")
    assert lua.show(b"cjson.decode(ARGV[1])", text) == wanted


@Pairs(
    ("text", "problem"),
    [
        (b"", "Expected value but found T_END at character 1"),
        (b"x", "Expected value but found invalid token at character 1"),
        (b"[1 2]", "Expected comma or array end but found T_NUMBER at character 4"),
        (b"[1,]", "Expected value but found T_ARR_END at character 4"),
        (b'{"a" 1}', "Expected colon but found T_NUMBER at character 6"),
        (b"{1:2}", "Expected object key string but found T_NUMBER at character 2"),
        (b'{"a":1]', "Expected comma or object end but found T_ARR_END at character 7"),
        (b"1 true", "Expected the end but found T_BOOLEAN at character 3"),
        (b'"abc', "Expected value but found unexpected end of string at character 5"),
        (b'"a\0b"', "Expected value but found unexpected end of string at character 3"),
        (rb'"ab\x"', "Expected value but found invalid escape code at character 4"),
        (rb'"\ud800x"', "Expected value but found invalid unicode escape code at character 2"),
        (rb'"\udc00"', "Expected value but found invalid unicode escape code at character 2"),
        (b"[tru]", "Expected value but found invalid token at character 2"),
        (b"--1", "Expected value but found invalid number at character 1"),
        (b"\0a", "JSON parser does not support UTF-16 or UTF-32"),
        (b"[" * 1001, "Found too many nested data structures (1001) at character 1001"),
    ],
)
def test_what_is_no_json(lua: Interpreter, text: bytes, problem: str) -> None:
    assert lua.problem(b"return cjson.decode(ARGV[1])", text) == f"user_script:1: {problem}"


@Pairs(
    ("expression", "problem"),
    [
        (b"{print = pcall}", "Cannot serialise function: type not supported"),
        (b"{[true] = 1}", "Cannot serialise boolean: table key must be a number or string"),
        (b"{[30] = 1}", "Cannot serialise table: excessively sparse array"),
        (b"{0 / 0}", "Cannot serialise number: must not be NaN or Inf"),
        (b"{[1 / 0] = 1}", "Cannot serialise number: must not be NaN or Inf"),
        (b"", "bad argument #1 to 'encode' (expected 1 argument)"),
        (b"1, 2", "bad argument #1 to 'encode' (expected 1 argument)"),
    ],
)
def test_what_cannot_be_encoded(lua: Interpreter, expression: bytes, problem: str) -> None:
    script = b"return cjson.encode(" + expression + b")"
    assert lua.problem(script) == f"user_script:1: {problem}"


def test_endless_nesting_is_an_error(own_lua: Interpreter) -> None:
    circle = b"local t = {} t[1] = t return cjson.encode(t)"
    assert own_lua.problem(circle).endswith("Cannot serialise, excessive nesting (1001)")
    own_lua.evaluate(b"cjson.encode_max_depth(100000) cjson.decode_max_depth(100000)")
    # What C could push on its stack ends it.
    assert own_lua.problem(circle).endswith("Cannot serialise, excessive nesting (7998)")
    deep = own_lua.problem(b"cjson.decode(string.rep('[', 20000))")
    assert deep.endswith("Found too many nested data structures (7999) at character 7999")


def test_settings_hold_for_one_instance(own_lua: Interpreter) -> None:
    assert own_lua.show(b"cjson.encode_sparse_array()") == "false | 2 | 10"
    assert own_lua.show(b"cjson.encode_sparse_array(true, 3, 20)") == "true | 3 | 20"
    assert own_lua.evaluate(b"return cjson.encode({[90] = 1})") == b'{"90":1}'
    own = b"local own = cjson.new() own.encode_number_precision(3) return own.encode({1 / 3})"
    assert own_lua.evaluate(own) == b"[0.333]"
    assert own_lua.evaluate(b"return cjson.encode({1 / 3})") == b"[0.33333333333333]"
    assert own_lua.evaluate(b"return cjson.new().null == cjson.null") is True


def test_numbers_that_json_does_not_know_can_be_allowed_or_refused(own_lua: Interpreter) -> None:
    numbers = b"return cjson.encode({0 / 0, 1 / 0, -1 / 0})"
    assert own_lua.show(b"cjson.encode_invalid_numbers(true)") == "true"
    assert own_lua.evaluate(numbers) == b"[nan,inf,-inf]"
    assert own_lua.show(b"cjson.encode_invalid_numbers('null')") == '"null"'
    assert own_lua.evaluate(numbers) == b"[null,null,null]"
    assert own_lua.show(b"cjson.decode_invalid_numbers(false)") == "false"
    for text in (b"01", b"0x1", b"-inf"):
        assert own_lua.problem(b"cjson.decode(ARGV[1])", text).endswith(
            "invalid number at character 1"
        )
    for text in (b"inf", b"nan", b"+1"):
        assert own_lua.problem(b"cjson.decode(ARGV[1])", text).endswith(
            "invalid token at character 1"
        )


@Pairs(
    ("call", "problem"),
    [
        (b"encode_max_depth(0)", "#1 to '?' (expected integer between 1 and 2147483647)"),
        (b"encode_max_depth('x')", "#1 to '?' (number expected, got string)"),
        (b"encode_max_depth(1, 2)", "#2 to '?' (found too many arguments)"),
        (b"encode_number_precision(15)", "#1 to '?' (expected integer between 1 and 14)"),
        (b"encode_sparse_array('offf')", "#1 to '?' (invalid option 'offf')"),
        (b"encode_sparse_array('off', {})", "#2 to '?' (number expected, got table)"),
        (b"decode({})", "#1 to '?' (string expected, got table)"),
    ],
)
def test_wrong_arguments(lua: Interpreter, call: bytes, problem: str) -> None:
    name, _, rest = call.partition(b"(")
    shown = lua.show(b"pcall(cjson." + name + b", " + rest)
    assert shown == f'false | "bad argument {problem}"'


def test_errors_name_the_place_and_the_name_of_the_call(lua: Interpreter) -> None:
    assert lua.problem(b"\n\nlocal f = cjson.encode f()").startswith(
        "user_script:3: bad argument #1 to 'f'"
    )
    assert lua.problem(b"cjson:decode()") == (
        "user_script:1: calling 'decode' on bad self (string expected, got table)"
    )
    assert lua.problem(b"cjson.null.x = 1") == (
        "user_script:1: attempt to index field 'null' (a userdata value)"
    )


def test_functions_are_functions(lua: Interpreter) -> None:
    names = b"'encode', 'decode', 'new', 'encode_keep_buffer'"
    kinds = (
        b"local r = '' for _, n in pairs({" + names + b"}) do r = r .. type(cjson[n]) end return r"
    )
    assert lua.evaluate(kinds) == b"function" * 4


def test_many_names_of_members_are_not_kept(lua: Interpreter) -> None:
    script = b"""
      for at = 1, 2500 do
        local name = 'name"' .. at
        if cjson.encode({[name] = at}) ~= '{"name\\\\"' .. at .. '":' .. at .. '}' then
          return at
        end
      end
    """
    assert lua.evaluate(script) is None


def test_what_failed_is_not_kept(own_lua: Interpreter) -> None:
    """Each text has a megabyte; what is in use afterwards must not."""
    used = b"collectgarbage() return collectgarbage('count') * 1024"
    failures = (
        b"pcall(cjson.decode, '[' .. string.rep('1,', 500000) .. 'x')",
        b"pcall(cjson.encode, {string.rep('x', 1000000), pcall})",
        b"pcall(cmsgpack.unpack, string.rep('\\1', 7000) .. '\\193' .. string.rep('x', 1000000))",
    )
    before = own_lua.evaluate(used)
    for failure in failures:
        own_lua.evaluate(failure)
        assert own_lua.evaluate(used) < before + 500_000, failure
