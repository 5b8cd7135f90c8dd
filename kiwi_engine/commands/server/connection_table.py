"""The rows of the commands that the network runtime answers itself (pure).

Connection, introspection and server commands. Their handlers are `server.network.local.HANDLERS`,
bound by name; here stands only what `COMMAND INFO` and `COMMAND DOCS` tell. Flags, arities and tips
are those of Redis 7.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kiwi_engine.commands.rows import implied_categories
from kiwi_engine.commands.server import tracking_table, waiting_table
from kiwi_engine.commands.table import Command

_LOOKUP: Final = "O(N), N being the number of commands asked for"
_ALL_COMMANDS: Final = "O(N), N being the number of all commands"
_NEW_DATA: Final = "O(N), N being the size of what the last backup there does not hold"
_ALL_CLIENTS: Final = "O(N), N being the number of connections"
_BEFORE_LOGIN: Final = "noscript loading stale fast no_auth allow_busy"
_PLAIN: Final = "loading stale"
_SESSION: Final = "noscript loading stale"
_ADMIN: Final = "admin noscript loading stale"
# Redis counts COMMAND, a server command, among the connection commands.
_ALSO_CONNECTION: Final = ("connection",)
_EVERYWHERE: Final = ("request_policy:all_nodes", "response_policy:all_succeeded")


def _row(
    name: str,
    arity: int,
    flags: str,
    summary: str,
    since: str,
    syntax: str = "",
    *,
    group: str = "connection",
    complexity: str = "O(1)",
    tips: tuple[str, ...] = (),
    in_connection_category: bool = True,
    extra_categories: tuple[str, ...] = (),
    subcommands: Iterable[Command] = (),
) -> Command:
    words = frozenset(flags.split())
    categories = implied_categories(words) | frozenset(extra_categories)
    if group == "connection" and in_connection_category:
        categories |= {"connection"}
    return Command(
        name=name,
        arity=arity,
        flags=words,
        summary=summary,
        since=since,
        group=group,
        syntax=syntax,
        complexity=complexity,
        categories=categories,
        tips=tips,
        where="network",
        subcommands=tuple(subcommands),
    )


_CLIENT: Final = (
    _row("getname", 2, _SESSION, "Tells the name of this connection.", "2.6.9"),
    _row("help", 2, _PLAIN, "Lists the subcommands.", "5.0.0"),
    _row("id", 2, _SESSION, "Tells the number of this connection.", "5.0.0"),
    _row(
        "info",
        2,
        _SESSION,
        "Describes this connection.",
        "6.2.0",
        tips=("nondeterministic_output",),
    ),
    _row(
        "kill",
        -3,
        _ADMIN,
        "Closes connections.",
        "2.4.0",
        "<ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | "
        "[USER username] | [ADDR ip:port] | [LADDR ip:port] | [SKIPME <YES | NO>]> ...>",
        complexity=_ALL_CLIENTS,
    ),
    _row(
        "list",
        -2,
        _ADMIN,
        "Describes connections, one a line.",
        "2.4.0",
        "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id ...]",
        complexity=_ALL_CLIENTS,
        tips=("nondeterministic_output",),
    ),
    _row(
        "no-evict",
        3,
        _ADMIN,
        "Protects this connection when clients are evicted.",
        "7.0.0",
        "<ON | OFF>",
    ),
    _row(
        "no-touch",
        3,
        _SESSION,
        "Makes the commands of this connection leave access times alone.",
        "7.2.0",
        "<ON | OFF>",
    ),
    _row(
        "reply",
        3,
        _SESSION,
        "Switches the replies to this connection on or off.",
        "3.2.0",
        "<ON | OFF | SKIP>",
    ),
    _row(
        "setinfo",
        4,
        _SESSION,
        "Tells the server which client library is used.",
        "7.2.0",
        "<LIB-NAME libname | LIB-VER libver>",
        tips=_EVERYWHERE,
    ),
    _row("setname", 3, _SESSION, "Names this connection.", "2.6.9", "connection-name"),
)

_COMMAND: Final = (
    _row(
        "count",
        2,
        _PLAIN,
        "Counts the commands.",
        "2.8.13",
        group="server",
        extra_categories=_ALSO_CONNECTION,
    ),
    _row(
        "docs",
        -2,
        _PLAIN,
        "Documents commands.",
        "7.0.0",
        "[command-name ...]",
        group="server",
        extra_categories=_ALSO_CONNECTION,
        complexity=_LOOKUP,
        tips=("nondeterministic_output_order",),
    ),
    _row(
        "getkeys",
        -3,
        _PLAIN,
        "Finds the keys in a whole command.",
        "2.8.13",
        "command [arg ...]",
        group="server",
        extra_categories=_ALSO_CONNECTION,
        complexity="O(N), N being the number of arguments",
    ),
    _row(
        "getkeysandflags",
        -3,
        _PLAIN,
        "Finds the keys in a whole command and what it does to them.",
        "7.0.0",
        "command [arg ...]",
        group="server",
        extra_categories=_ALSO_CONNECTION,
        complexity="O(N), N being the number of arguments",
    ),
    _row(
        "help",
        2,
        _PLAIN,
        "Lists the subcommands.",
        "5.0.0",
        group="server",
        extra_categories=_ALSO_CONNECTION,
    ),
    _row(
        "info",
        -2,
        _PLAIN,
        "Describes commands by arity, flags and keys.",
        "2.8.13",
        "[command-name ...]",
        group="server",
        extra_categories=_ALSO_CONNECTION,
        complexity=_LOOKUP,
        tips=("nondeterministic_output_order",),
    ),
    _row(
        "list",
        -2,
        _PLAIN,
        "Lists the names of commands.",
        "7.0.0",
        "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
        group="server",
        extra_categories=_ALSO_CONNECTION,
        complexity=_ALL_COMMANDS,
        tips=("nondeterministic_output_order",),
    ),
)

_CONFIG: Final = (
    _row(
        "get",
        -3,
        _ADMIN,
        "Tells the values of settings.",
        "2.0.0",
        "parameter [parameter ...]",
        group="server",
        complexity="O(N), N being the number of settings",
    ),
    _row("help", 2, _PLAIN, "Lists the subcommands.", "5.0.0", group="server"),
    _row("resetstat", 2, _ADMIN, "Sets counters of INFO to zero.", "2.0.0", group="server"),
    _row(
        "rewrite",
        2,
        _ADMIN,
        "Writes the settings in force to the configuration file.",
        "2.8.0",
        group="server",
    ),
    _row(
        "set",
        -4,
        _ADMIN,
        "Changes settings, all of them or none.",
        "2.0.0",
        "parameter value [parameter value ...]",
        group="server",
        complexity="O(N), N being the number of settings given",
        tips=_EVERYWHERE,
    ),
)

_KIWI: Final = (
    _row(
        "backup",
        -3,
        _ADMIN,
        "Starts a backup to a directory of the server's machine.",
        "7.2.0",
        "path [INCREMENTAL]",
        group="server",
    ),
    _row("backup-cancel", 2, _ADMIN, "Ends the backup in progress.", "7.2.0", group="server"),
    _row(
        "backup-status",
        2,
        _ADMIN,
        "Tells how the backup in progress is doing, and how the last one went.",
        "7.2.0",
        group="server",
    ),
    _row(
        "gc",
        -2,
        _ADMIN,
        "Collects the dead part of the value log in the background.",
        "7.2.0",
        "[THRESHOLD percent]",
        group="server",
    ),
    _row("help", 2, _PLAIN, "Lists the subcommands.", "7.2.0", group="server"),
)

TABLE: Final = (
    _row(
        "ping",
        -1,
        "fast",
        "Answers, to show that the server is there.",
        "1.0.0",
        "[message]",
        tips=("request_policy:all_shards", "response_policy:all_succeeded"),
    ),
    _row("echo", 2, "loading stale fast", "Answers with the message.", "1.0.0", "message"),
    _row(
        "hello",
        -1,
        _BEFORE_LOGIN,
        "Chooses the protocol version and introduces the client.",
        "6.0.0",
        "[protover [AUTH username password] [SETNAME clientname]]",
    ),
    _row("auth", -2, _BEFORE_LOGIN, "Logs in.", "1.0.0", "[username] password"),
    _row("select", 2, "loading stale fast", "Chooses a database.", "1.0.0", "index"),
    _row("quit", -1, _BEFORE_LOGIN, "Closes this connection.", "1.0.0"),
    _row("reset", 1, _BEFORE_LOGIN, "Takes this connection back to its first state.", "6.2.0"),
    _row(
        "time",
        1,
        "loading stale fast",
        "Tells the time of the server.",
        "2.6.0",
        group="server",
        tips=("nondeterministic_output",),
    ),
    _row(
        "client",
        -2,
        "",
        "Groups commands about connections.",
        "2.4.0",
        complexity="Depends on the subcommand",
        in_connection_category=False,
        subcommands=(*_CLIENT, *tracking_table.CLIENT, *waiting_table.CLIENT),
    ),
    _row(
        "command",
        -1,
        _PLAIN,
        "Describes all commands.",
        "2.8.13",
        group="server",
        complexity=_ALL_COMMANDS,
        tips=("nondeterministic_output_order",),
        extra_categories=_ALSO_CONNECTION,
        subcommands=_COMMAND,
    ),
    _row(
        "config",
        -2,
        "",
        "Groups commands about settings.",
        "2.0.0",
        group="server",
        complexity="Depends on the subcommand",
        subcommands=_CONFIG,
    ),
    _row(
        "info",
        -1,
        _PLAIN,
        "Tells facts and counters of the server.",
        "1.0.0",
        "[section [section ...]]",
        group="server",
        tips=(
            "nondeterministic_output",
            "request_policy:all_shards",
            "response_policy:special",
        ),
        extra_categories=("dangerous",),
    ),
    _row(
        "kiwi",
        -2,
        "",
        "Groups commands that Redis does not have.",
        "7.2.0",
        group="server",
        complexity="Depends on the subcommand",
        subcommands=_KIWI,
    ),
    _row(
        "save",
        1,
        "admin noscript no_async_loading no_multi",
        "Renews the backup in `backup-dir`, and waits for it.",
        "1.0.0",
        group="server",
        complexity=_NEW_DATA,
    ),
    _row(
        "bgsave",
        -1,
        "admin noscript no_async_loading",
        "Renews the backup in `backup-dir` in the background.",
        "1.0.0",
        "[SCHEDULE]",
        group="server",
    ),
    _row(
        "lastsave",
        1,
        "loading stale fast",
        "Tells when the last save ended.",
        "1.0.0",
        group="server",
        tips=("nondeterministic_output",),
        extra_categories=("admin", "dangerous"),
    ),
    _row(
        "shutdown",
        -1,
        "admin noscript loading stale no_multi allow_busy",
        "Stops the server in good order.",
        "1.0.0",
        "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
        group="server",
        complexity="O(N), N being the number of writes that are not in the index yet",
    ),
)
