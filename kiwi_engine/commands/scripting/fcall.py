"""FCALL and FCALL_RO: functions of the libraries that FUNCTION LOAD stored (pure, and Lua)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import integer
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import counted_keys, row
from kiwi_engine.commands.scripting.calls import start_run
from kiwi_engine.commands.scripting.evaluate import count_keys, scripts_of
from kiwi_engine.errors import ReplyError
from kiwi_engine.scripting.functions.registry import FunctionRegistry

_KEYS_AT: Final = 3


def fcall(context: Context, words: list[bytes]) -> bytes:
    return _call(context, words, is_read_only=False)


def fcall_ro(context: Context, words: list[bytes]) -> bytes:
    return _call(context, words, is_read_only=True)


def registry_of(context: Context) -> FunctionRegistry:
    """The functions of the executor that runs the command."""
    assert context.executor is not None, "functions are run by an executor"
    return context.executor.functions


def _call(context: Context, words: list[bytes], *, is_read_only: bool) -> bytes:
    registry = registry_of(context)
    function = registry.function(words[1])
    if function is None:
        raise ReplyError("ERR Function not found")
    integer(words[2], "ERR Bad number of keys provided")
    keys_end = _KEYS_AT + count_keys(words)
    if is_read_only and function.writes:
        raise ReplyError("ERR Can not execute a script with write flag using *_ro command.")
    run = start_run(
        context,
        function.name,
        words,
        is_read_only=not function.writes,
        is_function=True,
    )
    sandbox = registry.roomy_engine().sandbox
    runner = scripts_of(context).runner
    keys, arguments = words[_KEYS_AT:keys_end], words[keys_end:]
    return runner.run(sandbox, run, keys, arguments, resp3=context.resp3)


_FLAGS: Final = "noscript stale skip_monitor no_mandatory_keys movablekeys"
_SYNTAX: Final = "function numkeys [key [key ...]] [arg [arg ...]]"
_COMPLEXITY: Final = "Depends on the function that is executed."

TABLE: Final = (
    row(
        "fcall", -3, _FLAGS, fcall,
        summary="Runs a function.",
        since="7.0.0", group="scripting", complexity=_COMPLEXITY, categories="scripting",
        syntax=_SYNTAX, keys=(counted_keys("RW access update", 2),),
    ),
    row(
        "fcall_ro", -3, f"readonly {_FLAGS}", fcall_ro,
        summary="Runs a function that only reads.",
        since="7.0.0", group="scripting", complexity=_COMPLEXITY, categories="scripting",
        syntax=_SYNTAX, keys=(counted_keys("RO access", 2),),
    ),
)  # fmt: skip
