"""EVAL, EVALSHA and their read-only forms (pure, and Lua).

A script is one command: all that it changes is in one group. It is not taken back when the script
fails in its middle, as in Redis.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import integer
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import counted_keys, row
from kiwi_engine.commands.scripting.calls import start_run
from kiwi_engine.commands.scripting.engine import Scripts
from kiwi_engine.errors import ReplyError
from kiwi_engine.scripting.script_cache import Script
from kiwi_engine.scripting.shebang import NO_WRITES

_NO_SCRIPT: Final = "NOSCRIPT No matching script. Please use EVAL."
_DIGEST_LETTERS: Final = 40
_KEYS_AT: Final = 3


def eval_(context: Context, words: list[bytes], *, is_read_only: bool = False) -> bytes:
    key_count = count_keys(words)
    scripts = scripts_of(context)
    return _run(
        context, scripts, scripts.take(words[1], is_loaded=False), words, key_count, is_read_only
    )


def evalsha(context: Context, words: list[bytes], *, is_read_only: bool = False) -> bytes:
    if len(words[1]) != _DIGEST_LETTERS:
        raise ReplyError(_NO_SCRIPT)
    key_count = count_keys(words)
    scripts = scripts_of(context)
    script = scripts.find(words[1])
    if script is None:
        raise ReplyError(_NO_SCRIPT)
    return _run(context, scripts, script, words, key_count, is_read_only)


def eval_ro(context: Context, words: list[bytes]) -> bytes:
    return eval_(context, words, is_read_only=True)


def evalsha_ro(context: Context, words: list[bytes]) -> bytes:
    return evalsha(context, words, is_read_only=True)


def count_keys(words: list[bytes]) -> int:
    """How many keys follow word 2, which says so."""
    count = integer(words[2])
    if count > len(words) - _KEYS_AT:
        raise ReplyError("ERR Number of keys can't be greater than number of args")
    if count < 0:
        raise ReplyError("ERR Number of keys can't be negative")
    return count


def scripts_of(context: Context) -> Scripts:
    """The scripts of the executor that runs the command."""
    assert context.executor is not None, "scripts are run by an executor"
    return context.executor.scripts


def _run(
    context: Context,
    scripts: Scripts,
    script: Script,
    words: list[bytes],
    key_count: int,
    is_read_only: bool,
) -> bytes:
    flags = script.flags
    if is_read_only and flags is not None and NO_WRITES not in flags:
        raise ReplyError("ERR Can not execute a script with write flag using *_ro command.")
    sandbox = scripts.compiled(script)
    may_not_write = is_read_only or (flags is not None and NO_WRITES in flags)
    run = start_run(context, script.digest, words, is_read_only=may_not_write)
    keys_end = _KEYS_AT + key_count
    return scripts.runner.run(
        sandbox, run, words[_KEYS_AT:keys_end], words[keys_end:], resp3=context.resp3
    )


_FLAGS: Final = "noscript stale skip_monitor no_mandatory_keys movablekeys"
_COMPLEXITY: Final = "Depends on the script that is executed."
_ANY_KEYS: Final = (counted_keys("RW access update", 2),)
_READ_KEYS: Final = (counted_keys("RO access", 2),)

TABLE: Final = (
    row(
        "eval", -3, _FLAGS, eval_,
        summary="Runs a Lua script.",
        since="2.6.0", group="scripting", complexity=_COMPLEXITY, categories="scripting",
        syntax="script numkeys [key [key ...]] [arg [arg ...]]", keys=_ANY_KEYS,
    ),
    row(
        "evalsha", -3, _FLAGS, evalsha,
        summary="Runs a Lua script that is known by its SHA-1 digest.",
        since="2.6.0", group="scripting", complexity=_COMPLEXITY, categories="scripting",
        syntax="sha1 numkeys [key [key ...]] [arg [arg ...]]", keys=_ANY_KEYS,
    ),
    row(
        "eval_ro", -3, f"readonly {_FLAGS}", eval_ro,
        summary="Runs a Lua script that only reads.",
        since="7.0.0", group="scripting", complexity=_COMPLEXITY, categories="scripting",
        syntax="script numkeys [key [key ...]] [arg [arg ...]]", keys=_READ_KEYS,
    ),
    row(
        "evalsha_ro", -3, f"readonly {_FLAGS}", evalsha_ro,
        summary="Runs a Lua script that only reads and is known by its SHA-1 digest.",
        since="7.0.0", group="scripting", complexity=_COMPLEXITY, categories="scripting",
        syntax="sha1 numkeys [key [key ...]] [arg [arg ...]]", keys=_READ_KEYS,
    ),
)  # fmt: skip
