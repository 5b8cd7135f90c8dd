"""Bytecode without tail calls does the same, and leaves its callers on the stack."""

from __future__ import annotations

from typing import Any, Final

import pytest
from lupa import lua51

from kiwi_engine.scripting.libraries.tail_calls import without_tail_calls

# The caller of a function, as an error would name it.
WHERE: Final = (
    b"local getinfo = debug.getinfo local where = function() return getinfo(2, 'l').currentline end"
)


@pytest.fixture
def runtime() -> Any:
    return lua51.LuaRuntime(encoding=None)


def plain(runtime: Any, source: bytes) -> Any:
    compile_text = runtime.globals()[b"loadstring"]
    bytecode = runtime.globals()[b"string"][b"dump"](compile_text(source, b"@script"))
    return compile_text(without_tail_calls(bytecode))


def test_a_caller_can_be_named(runtime: Any) -> None:
    source = WHERE + b"\n\nreturn where()"
    assert runtime.globals()[b"loadstring"](source)() == -1, "a tail call has lost it"
    assert plain(runtime, source)() == 3


def test_functions_inside_of_functions_are_changed(runtime: Any) -> None:
    source = WHERE + b"\nlocal function outer()\n  local inner = function()\n    return where()\n"
    source += b"  end\n  return inner()\nend\nreturn outer()"
    assert plain(runtime, source)() == 4


def test_all_kinds_of_constants_and_values_stay(runtime: Any) -> None:
    source = b"""
      local given, missing = 'text', nil
      local function values(...)
        return given, 1.5, true, missing, ...
      end
      local function all(...)
        return values(...)
      end
      return all('a', 'b', function() return given end)
    """
    found = plain(runtime, source)()
    assert found[:6] == (b"text", 1.5, True, None, b"a", b"b")
    assert found[6]() == b"text"


def test_a_number_that_looks_like_a_tail_call_stays(runtime: Any) -> None:
    """A long table has the number of its elements in the bytecode, like an instruction."""
    count = 512 * 50 + 29 * 50
    elements = b",".join(b"%d" % number for number in range(count))
    found = plain(runtime, b"local t = {" + elements + b"} return #t, t[#t]")()
    assert found == (count, count - 1)
