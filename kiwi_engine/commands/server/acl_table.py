"""The rows of ACL (pure).

The handlers are `server.network.local.acl`: the network runtime answers these commands. Flags,
arities and tips are those of Redis 7.2.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from kiwi_engine.commands.rows import row

_row = partial(row, handler=None, group="server", where="network")
_ADMIN: Final = "admin noscript loading stale"
_OPEN: Final = "noscript loading stale"
_EVERYWHERE: Final = ("request_policy:all_nodes", "response_policy:all_succeeded")
_ALL_USERS: Final = "O(N), N being the number of users"
_RULES: Final = "O(N), N being the number of rules given"
_RULES_OF_ONE: Final = "O(N), N being the number of rules of the user"

_ACL: Final = (
    _row(
        "cat",
        -2,
        _OPEN,
        summary="Lists the categories of commands, or the commands of one.",
        since="6.0.0",
        syntax="[category]",
        complexity="O(N), N being the number of commands",
    ),
    _row(
        "deluser",
        -3,
        _ADMIN,
        summary="Removes users and closes their connections.",
        since="6.0.0",
        syntax="username [username ...]",
        complexity="O(N), N being the number of connections",
        tips=_EVERYWHERE,
    ),
    _row(
        "dryrun",
        -4,
        _ADMIN,
        summary="Tells whether a user may call a command, without calling it.",
        since="7.0.0",
        syntax="username command [arg [arg ...]]",
        complexity=_RULES_OF_ONE,
    ),
    _row(
        "genpass",
        -2,
        _OPEN,
        summary="Makes up a password that nobody can guess.",
        since="6.0.0",
        syntax="[bits]",
    ),
    _row(
        "getuser",
        3,
        _ADMIN,
        summary="Tells the rules of a user.",
        since="6.0.0",
        syntax="username",
        complexity=_RULES_OF_ONE,
    ),
    _row("help", 2, "loading stale", summary="Lists the subcommands.", since="6.0.0"),
    _row(
        "list",
        2,
        _ADMIN,
        summary="Tells all users in the form of an ACL file.",
        since="6.0.0",
        complexity=_ALL_USERS,
    ),
    _row(
        "load",
        2,
        _ADMIN,
        summary="Takes over the users of the ACL file.",
        since="6.0.0",
        complexity=_ALL_USERS,
    ),
    _row(
        "log",
        -2,
        _ADMIN,
        summary="Tells what was denied lately, or forgets it.",
        since="6.0.0",
        syntax="[count | RESET]",
        complexity="O(N), N being the number of entries told",
    ),
    _row(
        "save",
        2,
        _ADMIN,
        summary="Writes the users to the ACL file.",
        since="6.0.0",
        complexity=_ALL_USERS,
        tips=_EVERYWHERE,
    ),
    _row(
        "setuser",
        -3,
        _ADMIN,
        summary="Makes a user, or changes one.",
        since="6.0.0",
        syntax="username [rule [rule ...]]",
        complexity=_RULES,
        tips=_EVERYWHERE,
    ),
    _row(
        "users",
        2,
        _ADMIN,
        summary="Lists the names of all users.",
        since="6.0.0",
        complexity=_ALL_USERS,
    ),
    _row("whoami", 2, _OPEN, summary="Tells the user of this connection.", since="6.0.0"),
)

TABLE: Final = (
    _row(
        "acl",
        -2,
        "",
        summary="Groups commands about users and what they may do.",
        since="6.0.0",
        complexity="Depends on the subcommand",
        subcommands=_ACL,
    ),
)
