"""FUNCTION: the libraries of functions, which are stored (pure, and Lua)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.containers import container_handler, help_reply
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import row
from kiwi_engine.commands.scripting.evaluate import scripts_of
from kiwi_engine.commands.scripting.fcall import registry_of
from kiwi_engine.errors import PayloadError, ReplyError
from kiwi_engine.keyspace.glob import compile_glob
from kiwi_engine.rdb import functions as function_payload
from kiwi_engine.rdb import payload
from kiwi_engine.resp.reply import OK, array, bulk, integer, mapping, null, set_of, simple
from kiwi_engine.scripting.functions.library import ENGINE, Function, Library
from kiwi_engine.scripting.functions.registry import FunctionRegistry, Policy
from kiwi_engine.scripting.runner import ScriptRun

FLUSH_MODES: Final = (b"sync", b"async")
_POLICIES: Final[dict[bytes, Policy]] = {
    b"flush": "flush",
    b"append": "append",
    b"replace": "replace",
}
_RESTORE_WORDS_MAX: Final = 4
_FLUSH_WORDS_MAX: Final = 3


def load(context: Context, words: list[bytes]) -> bytes:
    options = words[2:-1]
    for option in options:
        if option.lower() != b"replace":
            raise ReplyError(f"ERR Unknown option given: {_text(option)}".rstrip("\r\n"))
    return bulk(registry_of(context).load(words[-1], replaces=bool(options)))


def delete(context: Context, words: list[bytes]) -> bytes:
    registry_of(context).delete(words[2])
    return OK


def flush(context: Context, words: list[bytes]) -> bytes:
    """Both modes do the same: what is forgotten is freed at once."""
    if len(words) > _FLUSH_WORDS_MAX:
        raise _wrong_arguments(words[1])
    if len(words) == _FLUSH_WORDS_MAX and words[2].lower() not in FLUSH_MODES:
        raise ReplyError("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
    registry_of(context).flush()
    return OK


def dump(context: Context, _words: list[bytes]) -> bytes:
    libraries = registry_of(context).libraries.values()
    return bulk(function_payload.seal(library.code for library in libraries))


def restore(context: Context, words: list[bytes]) -> bytes:
    if len(words) > _RESTORE_WORDS_MAX:
        raise _wrong_arguments(words[1])
    policy = _POLICIES.get(words[3].lower()) if len(words) == _RESTORE_WORDS_MAX else "append"
    if policy is None:
        raise ReplyError(
            "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."
        )
    if not payload.is_sound(words[2]):
        raise ReplyError("ERR DUMP payload version or checksum are wrong")
    try:
        codes = function_payload.unseal(words[2])
    except PayloadError as error:
        raise ReplyError(f"ERR {error}") from None
    registry_of(context).restore(codes, policy)
    return OK


def kill(context: Context, _words: list[bytes]) -> bytes:
    """While a function runs, `server.storage.script_watch` answers this."""
    return scripts_of(context).runner.kill(is_function=True)


# Listing


def list_(context: Context, words: list[bytes]) -> bytes:
    pattern, with_code = _parse_list(words[2:])
    matches = None if pattern is None else compile_glob(pattern, ignore_case=True)
    found = [
        _library_reply(library, context.resp3, with_code=with_code)
        for library in registry_of(context).libraries.values()
        if matches is None or matches(library.name)
    ]
    return array(found)


def _parse_list(options: list[bytes]) -> tuple[bytes | None, bool]:
    """The pattern that is asked for, if any, and whether the code is."""
    pattern, with_code = None, False
    at = 0
    while at < len(options):
        option = options[at].lower()
        at += 1
        if option == b"withcode" and not with_code:
            with_code = True
        elif option == b"libraryname" and pattern is None:
            if at == len(options):
                raise ReplyError("ERR library name argument was not given")
            pattern = options[at]
            at += 1
        else:
            raise ReplyError(f"ERR Unknown argument {_text(options[at - 1])}")
    return pattern, with_code


def _library_reply(library: Library, resp3: bool, *, with_code: bool) -> bytes:
    functions = [_function_reply(function, resp3) for function in library.functions]
    parts = [
        bulk(b"library_name"), bulk(library.name),
        bulk(b"engine"), bulk(ENGINE),
        bulk(b"functions"), array(functions),
    ]  # fmt: skip
    if with_code:
        parts += [bulk(b"library_code"), bulk(library.code)]
    return mapping(resp3, parts)


def _function_reply(function: Function, resp3: bool) -> bytes:
    description = function.description
    return mapping(
        resp3,
        [
            bulk(b"name"), bulk(function.name),
            bulk(b"description"), null(resp3) if description is None else bulk(description),
            bulk(b"flags"), set_of(resp3, [simple(flag) for flag in function.flags]),
        ],
    )  # fmt: skip


# What runs


def stats(context: Context, _words: list[bytes]) -> bytes:
    """While a script runs, `server.storage.script_watch` answers this."""
    run = scripts_of(context).runner.current
    return stats_reply(registry_of(context), run, context.resp3)


def stats_reply(registry: FunctionRegistry, run: ScriptRun | None, resp3: bool) -> bytes:
    """FUNCTION STATS while `run` is under way."""
    counts = mapping(
        resp3,
        [
            bulk(b"libraries_count"), integer(len(registry.libraries)),
            bulk(b"functions_count"), integer(registry.function_count),
        ],
    )  # fmt: skip
    return mapping(
        resp3,
        [
            bulk(b"running_script"), null(resp3) if run is None else _run_reply(run, resp3),
            bulk(b"engines"), mapping(resp3, [bulk(ENGINE), counts]),
        ],
    )  # fmt: skip


def _run_reply(run: ScriptRun, resp3: bool) -> bytes:
    return mapping(
        resp3,
        [
            bulk(b"name"), bulk(run.name),
            bulk(b"command"), array([bulk(word) for word in run.words]),
            bulk(b"duration_ms"), integer(run.milliseconds),
        ],
    )  # fmt: skip


def help_(_context: Context, _words: list[bytes]) -> bytes:
    return help_reply("function", _HELP.split("\n"))


_HELP: Final = """\
LOAD [REPLACE] <FUNCTION CODE>
    Create a new library with the given library name and code.
DELETE <LIBRARY NAME>
    Delete the given library.
LIST [LIBRARYNAME PATTERN] [WITHCODE]
    Return general information on all the libraries:
    * Library name
    * The engine used to run the Library
    * Functions list
    * Library code (if WITHCODE is given)
    It also possible to get only function that matches a pattern using LIBRARYNAME argument.
STATS
    Return information about the current function running:
    * Function name
    * Command used to run the function
    * Duration in MS that the function is running
    If no function is running, return nil
    In addition, returns a list of available engines.
KILL
    Kill the current running function.
FLUSH [ASYNC|SYNC]
    Delete all the libraries.
    When called without the optional mode argument, the behavior is determined by the
    lazyfree-lazy-user-flush configuration directive. Valid modes are:
    * ASYNC: Asynchronously flush the libraries.
    * SYNC: Synchronously flush the libraries.
DUMP
    Return a serialized payload representing the current libraries, can be restored using \
FUNCTION RESTORE command
RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]
    Restore the libraries represented by the given payload, it is possible to give a restore \
policy to
    control how to handle existing libraries (default APPEND):
    * FLUSH: delete all existing libraries.
    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.
    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace \
the old
      libraries with the new libraries (notice that even on this option there is a chance of \
failure
      in case of functions name collision with another library)."""


def _wrong_arguments(subcommand: bytes) -> ReplyError:
    return ReplyError(
        f"ERR unknown subcommand or wrong number of arguments for '{_text(subcommand)}'."
        " Try FUNCTION HELP."
    )


def _text(word: bytes) -> str:
    return word.partition(b"\0")[0].decode("utf-8", "surrogateescape")


_ALL_SHARDS: Final = ("request_policy:all_shards", "response_policy:all_succeeded")

_SUBCOMMANDS: Final = (
    row(
        "delete", 3, "write noscript", delete,
        summary="Removes a library and its functions.",
        since="7.0.0", group="scripting", syntax="library-name", categories="scripting",
        tips=_ALL_SHARDS,
    ),
    row(
        "dump", 2, "noscript", dump,
        summary="Returns all libraries in the format of RDB files, with a checksum.",
        since="7.0.0", group="scripting", categories="scripting",
        complexity="O(N), N being the number of functions",
    ),
    row(
        "flush", -2, "write noscript", flush,
        summary="Removes all libraries.",
        since="7.0.0", group="scripting", syntax="[ASYNC | SYNC]", categories="scripting",
        complexity="O(N), N being the number of functions", tips=_ALL_SHARDS,
    ),
    row(
        "help", 2, "loading stale", help_,
        summary="Explains the subcommands.",
        since="7.0.0", group="scripting", categories="scripting",
    ),
    row(
        "kill", 2, "noscript allow_busy", kill,
        summary="Ends the function that is being run.",
        since="7.0.0", group="scripting", categories="scripting",
        tips=("request_policy:all_shards", "response_policy:one_succeeded"),
    ),
    row(
        "list", -2, "noscript", list_,
        summary="Tells of the libraries and their functions.",
        since="7.0.0", group="scripting", categories="scripting",
        syntax="[LIBRARYNAME library-name-pattern] [WITHCODE]",
        complexity="O(N), N being the number of functions",
        tips=("nondeterministic_output_order",),
    ),
    row(
        "load", -3, "write denyoom noscript", load,
        summary="Makes a library of its code, and stores it.",
        since="7.0.0", group="scripting", categories="scripting",
        syntax="[REPLACE] function-code", complexity="O(1), but for what the library does",
        tips=_ALL_SHARDS,
    ),
    row(
        "restore", -3, "write denyoom noscript", restore,
        summary="Makes libraries of what FUNCTION DUMP has returned.",
        since="7.0.0", group="scripting", categories="scripting",
        syntax="serialized-value [FLUSH | APPEND | REPLACE]",
        complexity="O(N), N being the number of functions", tips=_ALL_SHARDS,
    ),
    row(
        "stats", 2, "noscript allow_busy", stats,
        summary="Tells which function is being run, and how many there are.",
        since="7.0.0", group="scripting", categories="scripting",
        tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
    ),
)  # fmt: skip

TABLE: Final = (
    row(
        "function", -2, "", container_handler("function", _SUBCOMMANDS),
        summary="Manages libraries of functions.",
        since="7.0.0", group="scripting", complexity="that of the subcommand",
        subcommands=_SUBCOMMANDS,
    ),
)  # fmt: skip
