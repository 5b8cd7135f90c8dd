"""Running scripts: one at a time, watched, and ended when they must be (shell: executing thread).

    run(sandbox, ScriptRun) -> sandbox -> Lua -> call, log, ... -> ScriptRun's callables

It is what interpreters ask for everything (`Host`). It knows neither commands nor keys: whoever
runs a script says how commands are called. A script that has run for `slow_after_ms` is slow, which
others are told. After `busy_after_ms` others are answered BUSY: from then on `on_busy` is called
again and again, which may have the script killed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.logs import VERBOSE
from kiwi_engine.resp import reply
from kiwi_engine.scripting.given import Given, given, room_for
from kiwi_engine.scripting.sandbox import Sandbox, ScriptError

logger = logging.getLogger(__name__)

HOOK_INSTRUCTIONS: Final = 100_000
_LEVELS: Final = (logging.DEBUG, VERBOSE, logging.INFO, logging.WARNING)
_NANOSECONDS_A_MILLISECOND: Final = 1_000_000

NOT_BUSY: Final = reply.error("NOTBUSY No scripts in execution right now.")
UNKILLABLE: Final = reply.error(
    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can "
    "either wait the script termination or kill the server in a hard way using the SHUTDOWN "
    "NOSAVE command."
)
BUSY_SCRIPT: Final = reply.error(
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
)
BUSY_FUNCTION: Final = reply.error(
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
)
_KILLED_SCRIPT: Final = b"ERR Script killed by user with SCRIPT KILL..."
_BUG: Final = reply.error("ERR internal error, see the log file of the server")


class ScriptRun(msgspec.Struct):
    """One run of a script or function, from its start to its end.

    `name` is a digest or the name of a function, `words` the command that started it. `call` runs
    one command and gives its encoded reply, an error too; it never raises. `set_resp` chooses the
    protocol of those replies. `may_call` tells whether the user may run a command, None if there is
    none such. `source` is the number of the connection. `has_written` is to be set by `call` once
    it has run a write.
    """

    name: bytes
    words: list[bytes]
    call: Callable[[list[bytes]], bytes]
    set_resp: Callable[[int], None]
    may_call: Callable[[list[bytes]], bool | None]
    is_function: bool = False
    source: int = 0
    has_written: bool = False
    resp3: bool = False
    started_ns: int = 0
    is_slow: bool = False
    is_busy: bool = False
    is_killed: bool = False

    @property
    def milliseconds(self) -> int:
        """How long it has been running."""
        return (monotonic_ns() - self.started_ns) // _NANOSECONDS_A_MILLISECOND


class Runner:
    """The `Host` of all sandboxes. `current` is the run under way, if there is one.

    `on_slow` is called when a script begins to be slow and when a slow one is over, `on_busy` while
    one keeps everybody waiting. Both may do anything but run commands.
    """

    def __init__(
        self,
        format_double: Callable[[float], bytes],
        *,
        memory_bytes_max: int,
        busy_after_ms: int,
        hook_instructions: int = HOOK_INSTRUCTIONS,
    ) -> None:
        self._format_double = format_double
        self.memory_bytes_max = memory_bytes_max
        self.busy_after_ms = busy_after_ms
        self.slow_after_ms = busy_after_ms
        self.hook_instructions = hook_instructions
        self.on_busy: Callable[[], None] = lambda: None
        self.on_slow: Callable[[bool], None] = lambda is_slow: None
        self.current: ScriptRun | None = None
        self._sandbox: Sandbox | None = None

    def run(
        self,
        sandbox: Sandbox,
        run: ScriptRun,
        keys: Sequence[bytes],
        arguments: Sequence[bytes],
        *,
        resp3: bool,
    ) -> bytes:
        """The reply of the compiled function `run.name`, encoded for a client with `resp3`."""
        assert self.current is None, "a script cannot start another one"
        run.started_ns = monotonic_ns()
        self.current, self._sandbox = run, sandbox
        try:
            return sandbox.run(run.name, keys, arguments, resp3, as_function=run.is_function)[1]
        except ScriptError as error:
            name = run.name.decode("utf-8", "surrogateescape")
            return reply.error(f"ERR Error running script {name}, {error.text[:100]}")
        finally:
            self.current = self._sandbox = None
            if run.is_slow:
                self.on_slow(False)

    def kill(self, *, is_function: bool) -> bytes:
        """The reply of SCRIPT KILL, or FUNCTION KILL."""
        run = self.current
        if run is None:
            return NOT_BUSY
        if run.has_written:
            return UNKILLABLE
        if run.is_function != is_function:
            return BUSY_FUNCTION if run.is_function else BUSY_SCRIPT
        run.is_killed = True
        return reply.OK

    # ---- what interpreters ask (`Host`)

    def call(self, words: list[bytes]) -> Given:
        """Run a command."""
        run, sandbox = self.current, self._sandbox
        assert run is not None and sandbox is not None, "scripts call commands"
        try:
            encoded = run.call(words)
        except Exception:
            # A bug, which must not tear a hole into the interpreter.
            logger.exception("a script's call of %r failed", words[0])
            encoded = _BUG
        if not sandbox.make_room(room_for(encoded)):
            return True
        return given(encoded, resp3=run.resp3)

    def interrupt(self) -> bytes | None:
        """Look at the clock, and at who wants the script to end."""
        run = self.current
        if run is None:
            return None
        milliseconds = run.milliseconds
        if not run.is_slow and milliseconds >= self.slow_after_ms:
            run.is_slow = True
            self.on_slow(True)
        if not self.busy_after_ms or milliseconds < self.busy_after_ms:
            return None
        if not run.is_busy:
            run.is_busy = True
            logger.warning(
                "slow script: still running after %d ms; %s KILL ends it if it has not written",
                milliseconds,
                "FUNCTION" if run.is_function else "SCRIPT",
            )
        self.on_busy()
        if not run.is_killed:
            return None
        logger.info("a script was killed by a user")
        return _KILLED_SCRIPT

    def log(self, level: int, text: bytes) -> None:
        """What a script writes into the log, level 0 to 3."""
        logger.log(_LEVELS[level], "%s", text.decode("utf-8", "backslashreplace"))

    def set_resp(self, version: int) -> None:
        """Which protocol the replies of commands have from now on: 2 or 3."""
        run = self.current
        if run is not None:
            run.resp3 = version == 3
            run.set_resp(version)

    def acl_check(self, words: list[bytes]) -> bool | None:
        """Whether the user of the script may run a command; None if it is none."""
        run = self.current
        return None if run is None else run.may_call(words)

    def format_double(self, number: float) -> bytes:
        """As Redis prints a double."""
        # Whole numbers come as integers.
        return self._format_double(float(number))

    def to_number(self, text: bytes) -> float:
        """A double of RESP3."""
        return float(text)
