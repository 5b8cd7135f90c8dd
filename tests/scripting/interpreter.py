"""Lua with the libraries of scripts and nothing around them.

Its globals hold only what a script in Redis has: a library that looked anything else up there after
it was loaded would not work.
"""

from __future__ import annotations

from typing import Any, Final

from lupa import lua51

from kiwi_engine.scripting.libraries import install
from kiwi_engine.scripting.libraries.tail_calls import without_tail_calls

_KEPT: Final = (
    b"pairs", b"pcall", b"select", b"type", b"tostring", b"string", b"table", b"error",
    b"coroutine", b"collectgarbage",
)  # fmt: skip

# A function `all` that shows its arguments: tables in the order of Lua, numbers with all digits.
SHOW: Final = b"""
local function show(value)
  local kind = type(value)
  if kind == 'table' then
    local parts = {}
    for key, element in pairs(value) do
      parts[#parts + 1] = '[' .. show(key) .. ']=' .. show(element)
    end
    return '{' .. table.concat(parts, ',') .. '}'
  elseif kind == 'string' then
    return string.format('%q', value)
  elseif kind == 'number' then
    return string.format('%.17g', value)
  end
  return tostring(value)
end
local function all(...)
  local parts = {}
  for at = 1, select('#', ...) do
    parts[at] = show((select(at, ...)))
  end
  return table.concat(parts, ' | ')
end
"""


class Interpreter:
    """Evaluates scripts; the settings of cjson last, as they do in a server."""

    def __init__(self) -> None:
        runtime: Any = lua51.LuaRuntime(
            encoding=None, register_eval=False, register_builtins=False, unpack_returned_tuples=True
        )
        self._runtime = runtime
        self._globals = runtime.globals()
        self._compile = self._globals[b"loadstring"]
        self._dump = self._globals[b"string"][b"dump"]
        libraries = install.load(runtime)
        for name in [name for name in self._globals if name not in _KEPT]:
            del self._globals[name]
        for name, library in libraries.items():
            self._globals[name] = library

    def evaluate(self, script: bytes, *arguments: bytes) -> Any:
        """What `script` returns; `arguments` are ARGV."""
        self._globals[b"ARGV"] = self._runtime.table_from(arguments)
        compiled = self._compile(script, b"@user_script")
        assert not isinstance(compiled, tuple), f"{script!r} does not compile: {compiled[1]!r}"
        return self._compile(without_tail_calls(self._dump(compiled)))()

    def show(self, expression: bytes, *arguments: bytes) -> str:
        """What an expression gives, as `all` in `SHOW` shows it."""
        shown: bytes = self.evaluate(SHOW + b"return all(" + expression + b")", *arguments)
        return shown.decode("latin-1")

    def problem(self, script: bytes, *arguments: bytes) -> str:
        """The error that `script` raises."""
        guarded = b"local ok, problem = pcall(function() " + script + b" end) return ok, problem"
        succeeded, problem = self.evaluate(guarded, *arguments)
        assert not succeeded, f"{script!r} raised nothing"
        return str(problem.decode("latin-1"))
