"""Our Lua code takes what it needs of the globals when it is loaded: later on they are empty."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

import pytest
from lupa import lua51

from kiwi_engine.scripting import sandbox

_SOURCES: Final = sorted(Path(sandbox.__file__).parent.rglob("*.lua"))
_HEADER_BYTES: Final = 12
_GET_GLOBAL, _SET_GLOBAL, _SET_LIST = 5, 7, 34
_STRING: Final = 4
_CONSTANT_BYTES: Final = {0: 0, 1: 1, 3: 8}


class _Reader:
    """Reads what string.dump gives, see `tail_calls`."""

    def __init__(self, code: bytes) -> None:
        self._code = code
        self._at = _HEADER_BYTES
        self.found: list[int] = []

    def _integer(self) -> int:
        return self._take("@i")

    def _take(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._code, self._at)
        self._at += struct.calcsize(form)
        return int(value)

    def _skip_string(self) -> None:
        size = self._take("@N")
        self._at += size

    def function(self, depth: int = 0) -> None:
        """One function; the lines where inner ones look at the globals go to `found`."""
        self._skip_string()
        self._at += 2 * 4 + 4
        code = [self._take("@I") for _ in range(self._integer())]
        for _ in range(self._integer()):
            kind = self._take("@B")
            if kind == _STRING:
                self._skip_string()
            else:
                self._at += _CONSTANT_BYTES[kind]
        for _ in range(self._integer()):
            self.function(depth + 1)
        lines = [self._integer() for _ in range(self._integer())]
        for _ in range(self._integer()):
            self._skip_string()
            self._at += 8
        for _ in range(self._integer()):
            self._skip_string()
        assert not any(word & 0x3F == _SET_LIST and not word >> 14 & 0x1FF for word in code)
        opcodes = [word & 0x3F for word in code]
        if depth:
            looks = zip(opcodes, lines, strict=True)
            self.found += [line for opcode, line in looks if opcode in (_GET_GLOBAL, _SET_GLOBAL)]


@pytest.mark.parametrize("path", _SOURCES, ids=lambda path: path.name)
def test_nothing_is_looked_up_later(path: Path) -> None:
    runtime = lua51.LuaRuntime(encoding=None)
    dump = runtime.eval(b"function(text) return string.dump(assert(loadstring(text))) end")
    reader = _Reader(dump(path.read_bytes()))
    reader.function()
    assert reader.found == []


def test_the_check_finds_what_it_looks_for() -> None:
    runtime = lua51.LuaRuntime(encoding=None)
    dump = runtime.eval(b"function(text) return string.dump(assert(loadstring(text))) end")
    reader = _Reader(dump(b"local a = x\nlocal function f()\n return y\nend\nreturn f"))
    reader.function()
    assert reader.found == [3]
