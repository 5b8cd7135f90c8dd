"""SCRIPT: the cache of scripts, and the end of one that takes too long (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.containers import container_handler, help_reply
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import row
from kiwi_engine.commands.scripting.evaluate import scripts_of
from kiwi_engine.errors import ReplyError
from kiwi_engine.resp import reply

FLUSH_MODES: Final = (b"sync", b"async")


def load(context: Context, words: list[bytes]) -> bytes:
    return reply.bulk(scripts_of(context).take(words[2], is_loaded=True).digest)


def exists(context: Context, words: list[bytes]) -> bytes:
    cache = scripts_of(context).cache
    return reply.array([reply.ONE if cache.has(digest) else reply.ZERO for digest in words[2:]])


def flush(context: Context, words: list[bytes]) -> bytes:
    """Both modes do the same: what is forgotten is freed at once."""
    if len(words) > 3 or (len(words) == 3 and words[2].lower() not in FLUSH_MODES):
        raise ReplyError("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
    scripts_of(context).clear()
    return reply.OK


def kill(context: Context, _words: list[bytes]) -> bytes:
    """While a script runs, `server.storage.script_watch` answers this."""
    return scripts_of(context).runner.kill(is_function=False)


def debug(_context: Context, words: list[bytes]) -> bytes:
    """There is no debugger; to switch it off is fine."""
    mode = words[2].lower()
    if mode in (b"yes", b"sync"):
        raise ReplyError("ERR SCRIPT DEBUG is not supported: there is no debugger")
    if mode != b"no":
        raise ReplyError("ERR Use SCRIPT DEBUG YES/SYNC/NO")
    return reply.OK


def help_(_context: Context, _words: list[bytes]) -> bytes:
    return help_reply(
        "script",
        (
            "DEBUG (YES|SYNC|NO)",
            "    Set the debug mode for subsequent scripts executed.",
            "EXISTS <sha1> [<sha1> ...]",
            "    Return information about the existence of the scripts in the script cache.",
            "FLUSH [ASYNC|SYNC]",
            "    Flush the Lua scripts cache. Very dangerous on replicas.",
            "    When called without the optional mode argument, the behavior is determined by the",
            "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            "    * ASYNC: Asynchronously flush the scripts cache.",
            "    * SYNC: Synchronously flush the scripts cache.",
            "KILL",
            "    Kill the currently executing Lua script.",
            "LOAD <script>",
            "    Load a script into the scripts cache without executing it.",
        ),
    )


_SUBCOMMANDS: Final = (
    row(
        "debug", 3, "noscript", debug,
        summary="Sets the debug mode of scripts.",
        since="3.2.0", group="scripting", syntax="<YES | SYNC | NO>", categories="scripting",
    ),
    row(
        "exists", -3, "noscript", exists,
        summary="Tells which scripts are in the cache.",
        since="2.6.0", group="scripting", syntax="sha1 [sha1 ...]", categories="scripting",
        complexity="O(N), N being the number of scripts to check",
        tips=("request_policy:all_shards", "response_policy:agg_logical_and"),
    ),
    row(
        "flush", -2, "noscript", flush,
        summary="Removes all scripts from the cache.",
        since="2.6.0", group="scripting", syntax="[ASYNC | SYNC]", categories="scripting",
        complexity="O(N), N being the number of scripts",
        tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
    ),
    row(
        "help", 2, "loading stale", help_,
        summary="Explains the subcommands.",
        since="5.0.0", group="scripting", categories="scripting",
    ),
    row(
        "kill", 2, "noscript allow_busy", kill,
        summary="Ends the script that is being run.",
        since="2.6.0", group="scripting", categories="scripting",
        tips=("request_policy:all_shards", "response_policy:one_succeeded"),
    ),
    row(
        "load", 3, "noscript stale", load,
        summary="Loads a script into the cache.",
        since="2.6.0", group="scripting", syntax="script", categories="scripting",
        complexity="O(N), N being the length of the script",
        tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
    ),
)  # fmt: skip

TABLE: Final = (
    row(
        "script", -2, "", container_handler("script", _SUBCOMMANDS),
        summary="Manages the cache of scripts.",
        since="2.6.0", group="scripting", complexity="that of the subcommand",
        subcommands=_SUBCOMMANDS,
    ),
)  # fmt: skip
