"""C structures and bits of scripts. All that is expected here, Redis 7.0 answers, too."""

from __future__ import annotations

import struct

import pytest

from tests.scripting.interpreter import Interpreter

Pairs = pytest.mark.parametrize


@Pairs(
    ("arguments", "packed"),
    [
        (b"'bBhH', -1, 255, -2, 65535", "ff ff feff ffff"),
        (b"'>lLT', -1, 2 ^ 63, 1", "ffffffffffffffff 8000000000000000 0000000000000001"),
        (b"'<i>i', 1, 1", "01000000 00000001"),
        (b"'i3>I3', -2, 66051", "feffff 010203"),
        (b"'>i16i9', -1, 1", "0000000000000000ffffffffffffffff 000000000000000001"),
        (b"'s', 'ab'", "616200"),
        (b"'c2c0c', 'abc', 'def', 'g'", "6162 646566 67"),
        (b"'x!4xbi', 1, 2", "000001 00 02000000"),
        (b"'!bd', 1, 0.5", "01 00000000000000 000000000000e03f"),
        (b"'>fd', -0.1, 0.1", struct.pack(">fd", -0.1, 0.1).hex()),
        (b"'f', -0", "00000080"),
        (b"'d', 1 / 0", "000000000000f07f"),
        (b"'fff', 3e39, 1e-46, 1e-45", "0000807f 00000000 01000000"),
        (b"'f', 16777217.0000001", "0100804b"),
        (b"'i', '12'", "0c000000"),
        (b"'bb', 300, -1.9", "2c ff"),
        (b"'L', 2 ^ 64", "0000000000000000"),
        (b"'l', 0 / 0", "0000000000000080"),
        (b"'b\\0y', 1", "01"),
        (b"''", ""),
    ],
)
def test_packing(lua: Interpreter, arguments: bytes, packed: str) -> None:
    found: bytes = lua.evaluate(b"return struct.pack(" + arguments + b")")
    assert found.hex() == packed.replace(" ", "")


@Pairs(
    ("layout", "data", "shown"),
    [
        (b"bBhH", "ff ff feff ffff", "-1 | 255 | -2 | 65535 | 7"),
        (b">i3I3", "fffffe fffffe", "-2 | 16777214 | 7"),
        (b"<i16", "01" + "00" * 14 + "80", "1 | 17"),
        (b">i9", "80" + "00" * 7 + "ff", "-1 | 10"),
        (b"L", "ff" * 8, "18446744073709552000 | 9"),
        (b"sb", "6162000a", '"ab" | 10 | 5'),
        (b"bc0x", "0261620063", '"ab" | 5'),
        (b"!8bd", "0100000000000000000000000000e03f", "1 | 0.5 | 17"),
        (b">f", "7f800001", "nan | 5"),
        (b"<d", "000000000000f0ff", "-inf | 9"),
        (b"", "61", "1"),
    ],
)
def test_unpacking(lua: Interpreter, layout: bytes, data: str, shown: str) -> None:
    found = lua.show(b"struct.unpack(ARGV[1], ARGV[2])", layout, bytes.fromhex(data))
    assert found.replace("1.8446744073709552e+19", "18446744073709552000") == shown


@Pairs(
    ("call", "problem"),
    [
        (b"pack('i33', 1)", "integral size 33 is larger than limit of 32"),
        (b"pack('i99999999999', 1)", "integral size overflow"),
        (b"pack('y', 1)", "bad argument #1 to 'pack' (invalid format option 'y')"),
        (b"pack('!3i', 1)", "alignment 3 is not a power of 2"),
        (b"pack('i', {})", "bad argument #2 to 'pack' (number expected, got table)"),
        (b"pack('i')", "bad argument #2 to 'pack' (number expected, got nil)"),
        (b"pack('c5', 'x')", "bad argument #3 to 'pack' (string too short)"),
        (b"pack()", "bad argument #1 to 'pack' (string expected, got no value)"),
        (b"size('s')", "bad argument #1 to 'size' (option 's' has no fixed size)"),
        (b"size('c0')", "bad argument #1 to 'size' (option 'c0' has no fixed size)"),
        (b"size('%')", "bad argument #1 to 'size' (invalid format option '%')"),
        (b"unpack('i', 'abc')", "bad argument #2 to 'unpack' (data string too short)"),
        (b"unpack('b', 'abc', 0)", "bad argument #3 to 'unpack' (offset must be 1 or greater)"),
        (b"unpack('b', 'abc', -2)", "bad argument #2 to 'unpack' (data string too short)"),
        (b"unpack('s', 'abc')", "unfinished string in data"),
        (b"unpack('c0', 'abc')", "format 'c0' needs a previous size"),
        (b"unpack('bc0', '\\9abc')", "bad argument #2 to 'unpack' (data string too short)"),
    ],
)
def test_wrong_structures(lua: Interpreter, call: bytes, problem: str) -> None:
    assert lua.problem(b"return struct." + call) == f"user_script:1: {problem}"


def test_sizes(lua: Interpreter) -> None:
    assert lua.show(b"struct.size('bhild'), struct.size('!8bd')") == "23 | 16"
    assert lua.show(b"struct.size('c7')") == "7"
    assert lua.show(b"struct.unpack('b', 'abc', 3)") == "99 | 4"


@Pairs(
    ("call", "result"),
    [
        (b"tobit(0xffffffff)", -1),
        (b"tobit(2 ^ 31)", -(2**31)),
        (b"tobit(-2 ^ 31 - 1)", 2**31 - 1),
        (b"tobit(1.5)", 2),
        (b"tobit(2.5)", 2),
        (b"tobit('0x10')", 16),
        (b"tobit(1 / 0)", 0),
        (b"tobit(2 ^ 53 + 4)", 2),
        (b"band(0xff00ff00, 0x0ff00ff0, 0x00f0f0f0)", 0x00000000),
        (b"band(0x12345678, 0xff)", 0x78),
        (b"bor(1, 2, 4, 0x80000000)", -(2**31) + 7),
        (b"bxor(0xa5a5f0f0, 0xaa55ff00)", 0x0FF00FF0),
        (b"bnot(0)", -1),
        (b"lshift(1, 31)", -(2**31)),
        (b"lshift(1, 33)", 2),
        (b"rshift(-1, 28)", 15),
        (b"arshift(-256, 4)", -16),
        (b"rol(0x12345678, 12)", 0x45678123),
        (b"ror(0x12345678, 12)", 0x67812345),
        (b"ror(7, 0)", 7),
        (b"bswap(0x12345678)", 0x78563412),
        (b"tohex(-1)", b"ffffffff"),
        (b"tohex(0x12abcdef, -4)", b"CDEF"),
        (b"tohex(255, 0)", b""),
        (b"tohex(255, 99)", b"000000ff"),
    ],
)
def test_bits(lua: Interpreter, call: bytes, result: int | bytes) -> None:
    assert lua.evaluate(b"return bit." + call) == result


@Pairs(
    ("script", "problem"),
    [
        (b"return bit.band('x')", "bad argument #1 to 'band' (number expected, got string)"),
        (b"return bit.bor(1, nil)", "bad argument #2 to 'bor' (number expected, got nil)"),
        (b"return bit.tobit()", "bad argument #1 to 'tobit' (number expected, got no value)"),
        (b"return bit.lshift(1)", "bad argument #2 to 'lshift' (number expected, got no value)"),
        (b"local f = bit.tohex f({})", "bad argument #1 to 'f' (number expected, got table)"),
        (b"bit:band(1)", "calling 'band' on bad self (number expected, got table)"),
    ],
)
def test_what_has_no_bits(lua: Interpreter, script: bytes, problem: str) -> None:
    assert lua.problem(script) == f"user_script:1: {problem}"
