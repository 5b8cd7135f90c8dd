"""The interpreter of functions: loads libraries and runs what they registered (shell: the thread
that runs scripts).

It is an interpreter of its own, apart from that of scripts, as in Redis: neither sees what the
other has set in the libraries.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.errors import ReplyError
from kiwi_engine.scripting.functions.library import BAD_NAME, Function
from kiwi_engine.scripting.sandbox import (
    Extension,
    Host,
    Sandbox,
    ScriptError,
    Versions,
    parse_words,
)
from kiwi_engine.scripting.shebang import FLAGS

# A library that takes longer to load is stopped: nobody else is served meanwhile.
LOAD_NS_MAX: Final = 500_000_000
# What Lua tells of each function.
_TOLD_WORDS: Final = 3


class _Host:
    """The surroundings of scripts, with an end for libraries that load for too long."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.deadline_ns = 0
        self.hook_instructions = host.hook_instructions
        self.call, self.log, self.set_resp = host.call, host.log, host.set_resp
        self.acl_check, self.format_double = host.acl_check, host.format_double
        self.to_number = host.to_number

    @property
    def memory_bytes_max(self) -> int:
        return self._host.memory_bytes_max

    def interrupt(self) -> bytes | None:
        if not self.deadline_ns:
            return self._host.interrupt()
        return b"ERR FUNCTION LOAD timeout" if monotonic_ns() > self.deadline_ns else None


class FunctionEngine:
    """One interpreter, its `sandbox`. Libraries are staged, and then adopted or cleared away."""

    def __init__(self, host: Host, versions: Versions) -> None:
        self._host = _Host(host)
        source = files("kiwi_engine.scripting").joinpath("lua", "functions.lua").read_bytes()
        functions = {b"bad_name": BAD_NAME.encode}
        self.sandbox = Sandbox(self._host, versions, Extension(source, functions))
        # In use by the libraries themselves, as far as is known.
        self._settled_bytes = 0

    def stage(self, library: bytes, body: bytes, *, is_bounded: bool) -> tuple[Function, ...]:
        """Load a library; what it registered. `ReplyError` where it cannot be loaded.

        `is_bounded`: not longer than `LOAD_NS_MAX`.
        """
        self._host.deadline_ns = monotonic_ns() + LOAD_NS_MAX if is_bounded else 2**63
        try:
            succeeded, text, is_syntax = self.sandbox.call_extension(b"stage", library, body)
        except ScriptError as error:
            raise ReplyError(f"ERR Error registering functions: ERR {error.text}") from None
        finally:
            self._host.deadline_ns = 0
        if succeeded:
            return _functions(parse_words(text))
        what = "compiling function" if is_syntax else "registering functions"
        raise ReplyError(f"ERR Error {what}: {_text(text)}")

    def adopt(self, library: bytes) -> None:
        """The functions of a staged library can be run from now on."""
        self.sandbox.call_extension(b"adopt", library)

    def clear(self) -> None:
        """Forget what was staged and not adopted."""
        self.sandbox.call_extension(b"clear")

    def forget(self, function: bytes) -> None:
        """A function is no longer there."""
        self.sandbox.forget(function)

    def is_crowded(self) -> bool:
        """Whether half of the memory is in use, and most of that by what functions have kept."""
        used_bytes = self.sandbox.used_bytes
        if used_bytes * 2 < self._host.memory_bytes_max or used_bytes < 2 * self._settled_bytes:
            return False
        return not self.sandbox.make_room(self._host.memory_bytes_max // 2)

    def settle(self) -> None:
        """All libraries are loaded anew: what is in use now has to be."""
        self._settled_bytes = self.sandbox.used_bytes

    @property
    def used_bytes(self) -> int:
        """Memory that the interpreter has allocated."""
        return self.sandbox.used_bytes


def _functions(words: list[bytes]) -> tuple[Function, ...]:
    rows = zip(*[iter(words)] * _TOLD_WORDS, strict=True)
    return tuple(
        Function(name, description[1:] if description else None, _flags(flags))
        for name, description, flags in rows
    )


def _flags(joined: bytes) -> tuple[str, ...]:
    given = joined.decode().split(",")
    return tuple(flag for flag in FLAGS if flag in given)


def _text(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")
