"""How a script calls commands (pure).

What may be called at all is judged here, in the words of Redis 7.2; what any caller is asked, such
as its permissions, by the executor.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.context import Context
from kiwi_engine.commands.nested import NESTED
from kiwi_engine.commands.table import arity_accepts
from kiwi_engine.resp import reply
from kiwi_engine.scripting.runner import ScriptRun

UNKNOWN: Final = reply.error("ERR Unknown Redis command called from script")
WRONG_ARITY: Final = reply.error("ERR Wrong number of args calling Redis command from script")
NOT_ALLOWED: Final = reply.error("ERR This Redis command is not allowed from script")
READ_ONLY: Final = reply.error("ERR Write commands are not allowed from read-only scripts.")
# What Redis replicates though it writes nothing is no part of read-only scripts either.
_AS_WRITES: Final = frozenset(("publish", "spublish", "pfcount"))
_MINUS: Final = ord("-")


def start_run(
    outer: Context,
    name: bytes,
    words: list[bytes],
    *,
    is_read_only: bool,
    is_function: bool = False,
) -> ScriptRun:
    """A run of the script or function `name`, which the command `words` of `outer` starts.

    `is_read_only`: it may not call writes.
    """
    # Scripts get replies of RESP2 until they ask for others.
    context = outer.nested(resp3=False)
    executor = context.executor
    assert executor is not None, "scripts are run by an executor"
    find, permissions = executor.scripts.find_command, executor.permissions

    def call(called: list[bytes]) -> bytes:
        row = find(called)
        if row is None:
            return UNKNOWN
        if not arity_accepts(row.arity, len(called)):
            return WRONG_ARITY
        if "noscript" in row.flags or (row.where == "network" and row.name not in NESTED):
            return NOT_ALLOWED
        if is_read_only and (row.is_write or row.name in _AS_WRITES):
            return READ_ONLY
        encoded = context.call(called)
        # An error has changed nothing.
        if not run.has_written and encoded[0] != _MINUS:
            run.has_written = row.is_write
        return encoded

    def set_resp(version: int) -> None:
        context.resp3 = version == 3
        context.null = reply.null(context.resp3)

    def may_call(called: list[bytes]) -> bool | None:
        if find(called) is None:
            return None
        return not context.user or permissions.may_call(context.user, called)

    run = ScriptRun(name, words, call, set_resp, may_call, is_function, outer.source)
    return run
