"""Lua bytecode whose calls all leave a trace on the stack (pure).

`return f(x)` is a tail call: if `f` is a Lua function it takes the place of its caller, and an
error inside of it can no longer say which line of the script called. In Redis the functions of
libraries are C functions, which never do that; here they are Lua functions. So scripts are compiled
without tail calls. Behind a tail call there is always a RETURN of what it returned: as an ordinary
call it means the same, but that it bounds the depth of a recursion (by 20,000 calls).

Source: `ldump.c` and `lopcodes.h` of Lua 5.1. Numbers are in the machine's own form, as Lua's are.
"""

from __future__ import annotations

import struct
from typing import Final

_HEADER_BYTES: Final = 12
_COUNT: Final = struct.Struct("@i")
_STRING_SIZE: Final = struct.Struct("@N")
_INSTRUCTION: Final = struct.Struct("@I")
# Where an instruction holds its opcode and its operand C.
_OPCODE_MASK: Final = 0x3F
_C_MASK: Final = 0x1FF << 14
_CALL: Final = 28
_TAIL_CALL: Final = 29
# If its operand C is 0 the word behind it is a number.
_SET_LIST: Final = 34
# Lines a function is defined on (two ints), and four bytes on its arguments and stack.
_FUNCTION_FACTS_BYTES: Final = 2 * _COUNT.size + 4
_STRING_CONSTANT: Final = 4
# Bytes of the other constants by type: nil, boolean, number.
_CONSTANT_BYTES: Final = {0: 0, 1: 1, 3: 8}


def without_tail_calls(bytecode: bytes) -> bytes:
    """What `string.dump` gave, with every tail call made an ordinary one."""
    changed = bytearray(bytecode)
    end = _change_function(changed, _HEADER_BYTES)
    assert end == len(bytecode), "the bytecode is not that of Lua 5.1"
    return bytes(changed)


def _change_function(code: bytearray, at: int) -> int:
    """Change one function and those inside of it; returns where it ends."""
    at = _behind_string(code, at) + _FUNCTION_FACTS_BYTES
    count, at = _count(code, at)
    end = at + count * _INSTRUCTION.size
    _change_instructions(code, at, end)
    count, at = _count(code, _behind_constants(code, end))
    for _ in range(count):
        at = _change_function(code, at)
    return _behind_debug_information(code, at)


def _change_instructions(code: bytearray, at: int, end: int) -> None:
    while at < end:
        (instruction,) = _INSTRUCTION.unpack_from(code, at)
        opcode = instruction & _OPCODE_MASK
        if opcode == _TAIL_CALL:
            _INSTRUCTION.pack_into(code, at, instruction - _TAIL_CALL + _CALL)
        is_followed = opcode == _SET_LIST and not instruction & _C_MASK
        at += _INSTRUCTION.size * (2 if is_followed else 1)


def _behind_constants(code: bytearray, at: int) -> int:
    count, at = _count(code, at)
    for _ in range(count):
        kind = code[at]
        at += 1
        at = _behind_string(code, at) if kind == _STRING_CONSTANT else at + _CONSTANT_BYTES[kind]
    return at


def _behind_debug_information(code: bytearray, at: int) -> int:
    """Lines of the instructions, local variables with their extents, names of upvalues."""
    count, at = _count(code, at)
    count, at = _count(code, at + count * _COUNT.size)
    for _ in range(count):
        at = _behind_string(code, at) + 2 * _COUNT.size
    count, at = _count(code, at)
    for _ in range(count):
        at = _behind_string(code, at)
    return at


def _behind_string(code: bytearray, at: int) -> int:
    (size,) = _STRING_SIZE.unpack_from(code, at)
    return at + _STRING_SIZE.size + int(size)


def _count(code: bytearray, at: int) -> tuple[int, int]:
    (count,) = _COUNT.unpack_from(code, at)
    return int(count), at + _COUNT.size
