"""COMMAND and its subcommands (pure)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from kiwi_engine.commands.arguments import SYNTAX
from kiwi_engine.commands.key_access import access_flags
from kiwi_engine.commands.key_positions import key_positions
from kiwi_engine.commands.registry import COMMANDS
from kiwi_engine.commands.resolve import Resolved, find
from kiwi_engine.commands.table import Command, KeySpec, arity_accepts
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.glob import compile_glob
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.command_details import (
    docs_reply,
    info_reply,
    subcommands,
    text,
)
from kiwi_engine.server.network.local.handler import Handler
from kiwi_engine.server.network.local.help import help_reply
from kiwi_engine.server.network.session import Session

_Selects = Callable[[Command, str], bool]


def command(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return _all_infos(session.resp3)


def info(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    if len(arguments) == 2:
        return command(facade, session, arguments)
    found = [_find(word) for word in arguments[2:]]
    return reply.array(
        [
            reply.null(session.resp3)
            if each is None
            else info_reply(each.row, each.name, session.resp3)
            for each in found
        ]
    )


def docs(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """Names that do not exist are left out."""
    if len(arguments) == 2:
        return _all_docs(session.resp3)
    found = [each for word in arguments[2:] if (each := _find(word)) is not None]
    return _docs_of(found, session.resp3)


# The two replies that redis-cli and cluster clients ask for on every start take 2 ms to build.
@cache
def _all_infos(resp3: bool) -> bytes:
    return reply.array([info_reply(row, row.name, resp3) for row in COMMANDS.values()])


@cache
def _all_docs(resp3: bool) -> bytes:
    return _docs_of([Resolved(row, row.name) for row in COMMANDS.values()], resp3)


def _docs_of(found: list[Resolved], resp3: bool) -> bytes:
    flat: list[bytes] = []
    for each in found:
        flat += (text(each.name), docs_reply(each.row, each.name, resp3))
    return reply.mapping(resp3, flat)


def count(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return reply.integer(len(COMMANDS))


def list_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """Without a filter the commands alone, with one their subcommands, too, as in Redis."""
    if len(arguments) == 2:
        return reply.bulk_array([name.encode() for name in COMMANDS])
    if len(arguments) != 5 or arguments[2].lower() != b"filterby":
        raise ReplyError(SYNTAX)
    selects = _filter(arguments[3].lower(), arguments[4])
    every = [pair for row in COMMANDS.values() for pair in ((row, row.name), *subcommands(row))]
    return reply.bulk_array([name.encode() for row, name in every if selects(row, name)])


def _filter(kind: bytes, value: bytes) -> _Selects:
    if kind == b"module":
        # There are no modules.
        return lambda row, name: False
    if kind == b"aclcat":
        category = value.decode("utf-8", "surrogateescape").lower()
        return lambda row, name: category in row.categories
    if kind == b"pattern":
        matches = compile_glob(value, True)
        return lambda row, name: matches(name.encode())
    raise ReplyError(SYNTAX)


def getkeys(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return reply.bulk_array([key for key, _ in _keys(arguments[2:])])


def getkeysandflags(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    pairs = []
    words = arguments[2:]
    for key, spec in _keys(words):
        flags = [reply.simple(flag) for flag in access_flags(spec, words)]
        pairs.append(reply.array([reply.bulk(key), reply.set_of(session.resp3, flags)]))
    return reply.array(pairs)


def _keys(words: list[bytes]) -> list[tuple[bytes, KeySpec]]:
    """The keys of a whole command, each with the specification that found it."""
    found = find(words)
    if found is None:
        raise ReplyError("ERR Invalid command specified")
    # A shard channel is specified like a key, so that clients of a cluster find its node.
    specs = [spec for spec in found.row.keys if "not_key" not in spec.flags]
    if not specs:
        raise ReplyError("ERR The command has no key arguments")
    if not arity_accepts(found.row.arity, len(words)):
        raise ReplyError("ERR Invalid number of arguments specified for command")
    keys = []
    for spec in specs:
        keys += [(words[at], spec) for at in key_positions(spec, words)]
    return keys


def help_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return help_reply("command")


def _find(name: bytes) -> Resolved | None:
    """The row of a full name such as `get` or `client|list`."""
    words = name.split(b"|", 1)
    found = find(words)
    if found is not None and len(words) == 2 and "|" not in found.name:
        return None
    return found


HANDLERS: Final[dict[str, Handler]] = {
    "command": command,
    "command|info": info,
    "command|docs": docs,
    "command|count": count,
    "command|list": list_,
    "command|getkeys": getkeys,
    "command|getkeysandflags": getkeysandflags,
    "command|help": help_,
}
