"""The scripts of one executor: their cache, their interpreter, their limits (pure, and Lua).

The interpreter is made when the first script comes. It holds nothing but what can be made again
from the cache: when it is full, another one takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.doubles import double_text
from kiwi_engine.scripting.runner import Runner
from kiwi_engine.scripting.sandbox import Sandbox, ScriptError, Versions
from kiwi_engine.scripting.script_cache import Script, ScriptCache, digest_of
from kiwi_engine.scripting.shebang import read_shebang

if TYPE_CHECKING:
    from kiwi_engine.commands.table import Command

MEMORY_BYTES_DEFAULT: Final = 64 * 1024 * 1024
BUSY_AFTER_MS_DEFAULT: Final = 5000
# As which Redis scripts are told that they run.
VERSIONS: Final = Versions("7.2.4")
_CHUNK: Final = b"@user_script"


class Scripts:
    """Owned by the executing thread. `runner` also runs functions.

    `find_command` is `resolve.find_row`, which has to be given, because it knows of scripts.
    """

    def __init__(self, find_command: Callable[[list[bytes]], Command | None]) -> None:
        self.find_command = find_command
        self.runner = Runner(
            double_text,
            memory_bytes_max=MEMORY_BYTES_DEFAULT,
            busy_after_ms=BUSY_AFTER_MS_DEFAULT,
        )
        self.cache = ScriptCache()
        self._sandbox: Sandbox | None = None

    @property
    def memory_bytes(self) -> int:
        """What the interpreter has allocated."""
        return 0 if self._sandbox is None else self._sandbox.used_bytes

    def find(self, digest: bytes) -> Script | None:
        """The script with this digest, if it is known."""
        return self.cache.find(digest)

    def take(self, body: bytes, *, is_loaded: bool) -> Script:
        """The script of this text, compiled; `ReplyError` if it cannot be."""
        script = self.cache.find(digest_of(body))
        if script is None:
            heading = read_shebang(body)
            script = Script(digest_of(body), body, heading.flags, is_loaded)
            self.compiled(script)
            for forgotten in self.cache.add(script):
                if forgotten.is_compiled and self._sandbox is not None:
                    self._sandbox.forget(forgotten.digest)
        elif is_loaded:
            self.cache.keep(script)
        return script

    def compiled(self, script: Script) -> Sandbox:
        """An interpreter that knows `script`; `ReplyError` if it cannot be compiled."""
        sandbox = self._sandbox
        if sandbox is not None and script.is_compiled and not sandbox.is_full:
            return sandbox
        if sandbox is None or not sandbox.make_room(self.runner.memory_bytes_max // 2):
            self._drop_sandbox()
            sandbox = self._sandbox = Sandbox(self.runner, VERSIONS)
        try:
            sandbox.compile(script.digest, read_shebang(script.body).body, _CHUNK)
        except ScriptError as error:
            raise ReplyError(f"ERR Error compiling script (new function): {error.text}") from None
        script.is_compiled = True
        return sandbox

    def clear(self) -> None:
        """Forget all scripts, and the interpreter with them."""
        self.cache.clear()
        self._drop_sandbox()

    def _drop_sandbox(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None
        self.cache.forget_compiled()
