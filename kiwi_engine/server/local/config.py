"""CONFIG and its subcommands (glue)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import SYNTAX
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.glob import compile_glob, is_literal
from kiwi_engine.resp import reply
from kiwi_engine.server.facade import ServerFacade
from kiwi_engine.server.local.handler import Handler
from kiwi_engine.server.local.help import help_reply
from kiwi_engine.server.session import Session


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
    facade.statistics.reset()
    await facade.query("reset_statistics", {})
    return reply.OK


def rewrite(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """Refused: the file belongs to who runs the server, who may include others from it."""
    if not facade.facts.config_file:
        raise ReplyError("ERR The server is running without a config file")
    raise ReplyError("ERR Rewriting config file: Kiwi Engine never changes its configuration file")


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
