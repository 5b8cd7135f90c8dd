"""DEBUG, for tests (shell: SLEEP holds up the thread that executes commands).

Whether a client may use it at all is for the network runtime to decide (`enable-debug-command`).
"""

from __future__ import annotations

import re
from typing import Final

from kiwi_engine import clock
from kiwi_engine.commands.containers import help_reply
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import row
from kiwi_engine.errors import ReplyError
from kiwi_engine.resp.reply import OK

# A number at the start of a text, as C's strtod finds it.
_NUMBER: Final = re.compile(rb"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
SLEEP_SECONDS_MAX: Final = 3600.0


def debug(_context: Context, arguments: list[bytes]) -> bytes:
    word = arguments[1].lower()
    if word == b"sleep" and len(arguments) == 3:
        seconds = parse_seconds(arguments[2])
        if seconds > 0:
            clock.sleep(seconds)
        return OK
    if word == b"help" and len(arguments) == 2:
        lines = ("SLEEP <seconds>", "    Holds up all commands for some seconds, or a fraction.")
        return help_reply("debug", lines)
    shown = arguments[1][:128].decode("utf-8", "surrogateescape")
    raise ReplyError(
        f"ERR unknown subcommand or wrong number of arguments for '{shown}'. Try DEBUG HELP."
    )


def parse_seconds(text: bytes) -> float:
    """The number that `text` begins with, 0 if there is none; at most an hour."""
    match = _NUMBER.match(text)
    return min(float(match[0]), SLEEP_SECONDS_MAX) if match else 0.0


TABLE: Final = (
    row(
        "debug", -2, "admin noscript loading stale", debug,
        summary="Helps to test the server.",
        since="1.0.0", group="server", complexity="that of the subcommand",
        syntax="subcommand [argument ...]",
    ),
)  # fmt: skip
