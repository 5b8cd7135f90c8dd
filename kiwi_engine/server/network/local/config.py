"""CONFIG and its subcommands (glue)."""

from __future__ import annotations

import asyncio
from typing import Final

from kiwi_engine.commands.arguments import SYNTAX
from kiwi_engine.config.load import load_settings, user_lines
from kiwi_engine.config.rewrite import rewritten
from kiwi_engine.config.schema import SCHEMA, Key
from kiwi_engine.errors import ConfigError, ReplyError
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.fs.replace import read_file, replace_file
from kiwi_engine.keyspace.glob import compile_glob, is_literal
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.handler import Handler
from kiwi_engine.server.network.local.help import help_reply
from kiwi_engine.server.network.session import Session


def get(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """The settings that match any of the patterns, each once."""
    names = facade.config.names()
    found: dict[str, None] = {}
    for pattern in arguments[2:]:
        if is_literal(pattern):
            name = _text(pattern).lower()
            found.update({name: None} if name in names else {})
        else:
            matches = compile_glob(pattern, True)
            found.update((name, None) for name in names if matches(name.encode()))
    flat: list[bytes] = []
    for name in found:
        flat += (reply.bulk(name.encode()), reply.bulk(_bytes(facade.config.get(name))))
    return reply.mapping(session.resp3, flat)


def set_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """All pairs are taken over, or none."""
    words = [_text(word) for word in arguments[2:]]
    if len(words) % 2:
        raise ReplyError(SYNTAX)
    facade.config.set(list(zip(words[::2], words[1::2], strict=True)))
    return reply.OK


async def resetstat(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    resetstat_share(facade, session, arguments)
    await facade.query("reset_statistics", {})
    return reply.OK


def resetstat_share(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """What a network process counts for itself."""
    facade.statistics.reset()
    facade.reset_network_sections()
    return reply.OK


async def rewrite(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """Have the settings and users in force in the configuration file."""
    path = facade.facts.config_file
    if not path:
        raise ReplyError("ERR The server is running without a config file")
    try:
        await asyncio.to_thread(_rewrite_file, path, _settings_of(facade), _users_of(facade))
    except ConfigError as error:
        raise ReplyError(f"ERR Rewriting config file: {error.problems[0]}") from None
    except OSError as error:
        raise ReplyError(f"ERR Rewriting config file: {error.strerror}") from None
    return reply.OK


def _settings_of(facade: ServerFacade) -> dict[str, str]:
    return {name: facade.config.get(name) for name in SCHEMA}


def _users_of(facade: ServerFacade) -> dict[bytes, list[bytes]] | None:
    """The rules of each user, or None if users are in a file of their own."""
    if facade.config.get("aclfile"):
        return None
    return {user.name.encode(): user.describe().split(b" ") for user in facade.acl.users}


def _rewrite_file(
    path: str, settings: dict[str, str], users: dict[bytes, list[bytes]] | None
) -> None:
    fs = PosixFileSystem()
    said = load_settings(path)
    elsewhere = [line.source for line in user_lines(path) if not _is_in(line.source, path)]
    if users is not None and elsewhere:
        raise ConfigError([f"{elsewhere[0]} defines a user, and is another file"])
    values = {
        name: _words_of(SCHEMA[name], text)
        for name, text in settings.items()
        if text != SCHEMA[name].render(said)
    }
    replace_file(fs, path, rewritten(read_file(fs, path), values, users))


def _is_in(source: str, path: str) -> bool:
    """Whether a place in a configuration, `file:line`, is in this file itself."""
    return source.rpartition(":")[0] == path


def _words_of(key: Key, text: str) -> list[bytes]:
    """How a file says what CONFIG GET tells: in several words, if they mean the same."""
    words = text.split()
    try:
        if key.parse(words) != key.parse([text]):
            words = [text]
    except ValueError:
        words = [text]
    return [_bytes(word) for word in words]


def help_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return help_reply("config")


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


HANDLERS: Final[dict[str, Handler]] = {
    "config|get": get,
    "config|set": set_,
    "config|resetstat": resetstat,
    "config|rewrite": rewrite,
    "config|help": help_,
}
