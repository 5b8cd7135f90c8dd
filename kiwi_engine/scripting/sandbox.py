"""A locked-down Lua 5.1 interpreter (shell: the thread that runs scripts).

The world of scripts itself is written in Lua (`lua/*.lua`). Here is what surrounds it: making the
interpreter, and crossing the border in both directions.

**The border.** An error inside Lua is a jump that leaves C functions behind, and with them Python's
lock: where Python has called Lua's interface outside of a protected call, a lack of memory ends the
process, and inside of a function that Lua has called, it never ends at all. So nothing but text,
numbers, booleans and nil crosses the border: everything else makes lupa allocate on its own. Text
that goes to Lua has to have room (`make_room`); where there is none, Python gives True instead.
Python functions never raise. Compiled functions stay on Lua's side; Python knows them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final, Protocol

import msgspec
from lupa import lua51

from kiwi_engine.scripting.given import VALUE_BYTES, Given
from kiwi_engine.scripting.libraries import install
from kiwi_engine.scripting.libraries.tail_calls import without_tail_calls
from kiwi_engine.scripting.script_cache import digest_of

# Where frames of Lua code come from that a script must not see.
OURS: Final = b"=kiwi"
# While Python pushes values, tables of the interpreter may double: its stack, which is less than
# all that is used, and the table of texts, which grows by less than half of that.
_GROWTH: Final = 1.5
# For names and small results.
_MARGIN_BYTES: Final = 256 * 1024
# So many words are handed over at once.
WORDS_MAX: Final = 200
NOT_ENOUGH_MEMORY: Final = "not enough memory"
# Of the generator that Redis has for math.random: that of drand48.
_MULTIPLIER: Final = 0x5DEECE66D
_INCREMENT: Final = 0xB
_STATE_MASK: Final = 2**48 - 1
_SEED_LOW: Final = 0x330E
# Where it begins: a script that does not seed it goes on where the one before has ended.
_FIRST_STATE: Final = 0x1234ABCD330E


class ScriptError(Exception):
    """A script that cannot be compiled, or a lack of memory; `text` is Lua's, without a code."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Versions(msgspec.Struct, frozen=True):
    """As which Redis the interpreter introduces itself, e.g. "7.2.4"."""

    text: str

    @property
    def number(self) -> int:
        """A byte for each part, as `REDIS_VERSION_NUM` has it."""
        major, minor, patch = (int(part) for part in self.text.split("."))
        return major << 16 | minor << 8 | patch


class Host(Protocol):
    """What the interpreter asks of its surroundings. No method may raise."""

    @property
    def memory_bytes_max(self) -> int:
        """What one interpreter may have in use when a value is given to it."""

    @property
    def hook_instructions(self) -> int:
        """How many instructions pass between two looks at the clock."""

    def call(self, words: list[bytes]) -> Given:
        """Run a command; `Given` as `lua/api.lua` expects it, True where it has no room."""

    def interrupt(self) -> bytes | None:
        """Called now and then while a script runs: why it must end, if it must."""

    def log(self, level: int, text: bytes) -> None: ...

    def set_resp(self, version: int) -> None: ...

    def acl_check(self, words: list[bytes]) -> bool | None:
        """Whether the user may run a command; None if it is none."""

    def format_double(self, number: float) -> bytes: ...

    def to_number(self, text: bytes) -> float: ...


class Extension(msgspec.Struct, frozen=True):
    """A chunk of Lua that is loaded behind our own; it gets `functions` and what is inside.

    `inside` is the table that `lua/sandbox.lua` returns. Like all of our code the chunk has to
    take what it needs of the globals when it is loaded: they are empty afterwards.
    """

    source: bytes
    functions: Mapping[bytes, Callable[..., Given]]


class Sandbox:
    """One interpreter. Only the thread that runs scripts may use it.

    `MemoryError` never leaves it: a lack of memory is a `ScriptError`.
    """

    def __init__(self, host: Host, versions: Versions, extension: Extension | None = None) -> None:
        self._host = host
        self._random_state = _FIRST_STATE
        self._runtime: Any = lua51.LuaRuntime(
            encoding=None,
            source_encoding="latin-1",
            attribute_filter=_refuse,
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
            max_memory=_hard_limit(host.memory_bytes_max),
        )
        # Something found no room although there was no garbage left: time for a new one.
        self.is_full = False
        self._start(versions, extension)

    def _start(self, versions: Versions, extension: Extension | None) -> None:
        runtime = self._runtime
        libraries = runtime.table_from(install.load(runtime))
        python = runtime.table_from(self._functions())
        inside = self._chunk("sandbox")
        self._chunk("running", python, inside)
        self._chunk("globals", python, inside, libraries)
        replies = self._chunk("replies", python, inside)
        facts = runtime.table_from({b"text": versions.text.encode(), b"number": versions.number})
        api = self._chunk("api", python, inside, replies, facts)
        self._extension: dict[bytes, Any] = {}
        if extension is not None:
            functions = runtime.table_from(dict(extension.functions))
            self._extension = dict(self._load(extension.source, functions, inside).items())
        inside[b"empty_globals"]()
        self._evaluate = api[b"evaluate"]
        self._invoke = api[b"invoke"]
        self._compile = api[b"compile"]
        self._forget = api[b"forget"]
        self._add_words = api[b"add_words"]

    def _chunk(self, name: str, *given: Any) -> Any:
        source = files(__package__).joinpath("lua", f"{name}.lua").read_bytes()
        return self._load(source, *given)

    def _load(self, source: bytes, *given: Any) -> Any:
        return self._runtime.compile(source, name=OURS)(*given)

    def _functions(self) -> dict[bytes, Any]:
        """What Lua may call."""
        host, bounded = self._host, self._bounded
        call, acl_check, parse = host.call, host.acl_check, parse_words
        format_double = host.format_double

        return {
            b"call": lambda *words: call(
                [word if type(word) is bytes else format_double(word) for word in words]
            ),
            b"call_packed": lambda packed: call(parse(packed)),
            b"acl_check": lambda packed: acl_check(parse(packed)),
            b"format_double": bounded(format_double),
            b"hook_instructions": host.hook_instructions,
            b"interrupt": bounded(host.interrupt),
            b"log": host.log,
            b"random": self._random,
            b"seed": lambda seed: self.seed(int(seed)),
            b"set_resp": host.set_resp,
            b"sha1hex": bounded(digest_of),
            b"to_number": host.to_number,
            b"without_tail_calls": bounded(without_tail_calls),
        }

    def close(self) -> None:
        """Free the interpreter at once: what Lua may call refers back to this object."""
        del self._runtime, self._evaluate, self._invoke, self._compile, self._forget
        del self._add_words, self._extension

    # ---- scripts

    def compile(self, name: bytes, source: bytes, chunk: bytes) -> None:
        """Keep the function that `source` is under `name`; `chunk` is what errors call it."""
        self._make_sure(3 * len(source))
        try:
            problem = self._compile(name, source, chunk)
        except lua51.LuaError as error:
            self._collect()
            raise ScriptError(str(error) or NOT_ENOUGH_MEMORY) from None
        if problem is not None:
            raise ScriptError(problem.decode("utf-8", "surrogateescape"))

    def forget(self, name: bytes) -> None:
        """Drop the function of this name."""
        if self.make_room(0):
            self._forget(name)

    def call_extension(self, name: bytes, *values: bytes) -> Any:
        """Call one of the functions in the table that the extension returned."""
        self._make_sure(3 * sum(map(len, values)))
        try:
            return self._extension[name](*values)
        except lua51.LuaError as error:
            self._collect()
            raise ScriptError(str(error) or NOT_ENOUGH_MEMORY) from None

    def run(
        self,
        name: bytes,
        keys: Sequence[bytes],
        arguments: Sequence[bytes],
        resp3: bool,
        *,
        as_function: bool = False,
    ) -> tuple[bool, bytes]:
        """Run a compiled function: whether it succeeded, and its reply, encoded.

        Without `as_function` keys and arguments are the globals KEYS and ARGV.
        """
        words = [*keys, *arguments]
        self._make_sure(sum(map(len, words)) + len(words) * VALUE_BYTES)
        while len(words) > WORDS_MAX:
            self._add_words(*words[:WORDS_MAX])
            del words[:WORDS_MAX]
        run = self._invoke if as_function else self._evaluate
        try:
            succeeded, reply = run(name, resp3, len(keys), *words)
        except lua51.LuaError as error:
            self._collect()
            raise ScriptError(str(error) or NOT_ENOUGH_MEMORY) from None
        return succeeded, reply

    def seed(self, seed: int) -> None:
        """Let math.random begin anew."""
        self._random_state = ((seed & 0xFFFFFFFF) << 16 | _SEED_LOW) & _STATE_MASK

    def _random(self) -> int:
        state = (self._random_state * _MULTIPLIER + _INCREMENT) & _STATE_MASK
        self._random_state = state
        return state >> 17

    # ---- memory

    @property
    def used_bytes(self) -> int:
        """Memory that the interpreter has allocated."""
        return int(self._runtime.get_memory_used(total=True))

    def make_room(self, size: int) -> bool:
        """See to it that `size` bytes can be given to Lua now; False if there is no room.

        Then nothing that takes memory may be given, that is, only numbers, booleans and nil.
        """
        limit = self._host.memory_bytes_max
        if self._runtime.get_memory_used() + size <= limit:
            return True
        self._collect()
        return bool(self._runtime.get_memory_used() + size <= limit)

    def _make_sure(self, size: int) -> None:
        if not self.make_room(size):
            self.is_full = True
            raise ScriptError(NOT_ENOUGH_MEMORY)

    def _collect(self) -> None:
        """Drop all garbage."""
        self._runtime.set_max_memory(0)
        self._runtime.gccollect()
        self._runtime.set_max_memory(_hard_limit(self._host.memory_bytes_max))

    def _bounded(self, function: Callable[..., Given]) -> Callable[..., Given]:
        """A function whose text is given to Lua if there is room, and else True."""

        def bounded(*values: Any) -> Given:
            result = function(*values)
            if type(result) is bytes and not self.make_room(len(result)):
                return True
            return result

        return bounded


def parse_words(packed: bytes) -> list[bytes]:
    """The words of an array of bulk strings, which is well-formed."""
    words = []
    at = packed.index(b"\n") + 1
    while at < len(packed):
        start = packed.index(b"\n", at) + 1
        at = start + int(packed[at + 1 : start - 2]) + 2
        words.append(packed[start : at - 2])
    return words


def _hard_limit(memory_bytes_max: int) -> int:
    """What Lua code may allocate, so that with `memory_bytes_max` used there is room to grow."""
    return int(memory_bytes_max * (1 + _GROWTH)) + _MARGIN_BYTES


def _refuse(owner: object, name: object, is_setting: bool) -> Any:
    """No attribute of a Python object can be reached from Lua."""
    raise AttributeError("scripts see no objects of Python")
