"""The libraries of scripts: cjson, cmsgpack, bit and struct (pure).

They are written in Lua, beside this module, and run inside the interpreter of the scripts: so its
memory limit holds for them, a script that loops in them can be stopped, and no value crosses into
Python. Each file is a chunk that returns its library as a table; it is given what it builds on.
Results and errors are those of the C libraries in Redis 7.2.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

# What the frames of all Lua code of the server are called on a stack: they are nobody's script.
_SOURCE_NAME: Final = b"=kiwi"
# Compiled chunks by name: compiling them takes most of the time of a new interpreter.
_compiled: dict[str, bytes] = {}


def load(runtime: Any) -> dict[bytes, Any]:
    """The tables of the libraries by name, new ones of this Lua runtime.

    `runtime` is a `lupa.lua51.LuaRuntime` without encoding, whose globals are still all there.
    """
    known = runtime.globals()
    load_string, dump = known[b"loadstring"], known[b"string"][b"dump"]

    def chunk(name: str, *given: Any) -> Any:
        compiled = load_string(_compiled.get(name) or _source(name), _SOURCE_NAME)
        if name not in _compiled:
            _compiled[name] = dump(compiled)
        return compiled(*given)

    arguments, null = chunk("arguments"), chunk("null")
    encode, decode = (chunk(name, arguments, null) for name in ("json_encode", "json_decode"))
    floats = chunk("floats")
    bit = chunk("bit")
    return {
        b"bit": bit,
        b"cjson": chunk("cjson", arguments, null, encode, decode),
        b"cmsgpack": chunk("cmsgpack", arguments, floats),
        b"struct": chunk("struct", arguments, floats, bit),
    }


def _source(name: str) -> bytes:
    return files(__package__).joinpath(f"{name}.lua").read_bytes()
