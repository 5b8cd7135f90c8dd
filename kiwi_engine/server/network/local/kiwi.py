"""KIWI and its subcommands: what Redis has no command for (glue)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import SYNTAX, integer_between
from kiwi_engine.errors import ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.handler import Handler
from kiwi_engine.server.network.local.help import help_reply
from kiwi_engine.server.network.session import Session

# Percent of a value-log segment that must be dead; less than that is hardly worth the writing.
GC_THRESHOLD_DEFAULT: Final = 10


async def gc(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """Begins a collection of the value log; `INFO valuelog` tells how it goes."""
    threshold = GC_THRESHOLD_DEFAULT
    if len(arguments) == 4 and arguments[2].lower() == b"threshold":
        threshold = integer_between(arguments[3], 1, 100)
    elif len(arguments) != 2:
        raise ReplyError(SYNTAX)
    await facade.query("collect", {"threshold": threshold})
    return reply.simple("Background collection started")


def help_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return help_reply("kiwi")


HANDLERS: Final[dict[str, Handler]] = {"kiwi|gc": gc, "kiwi|help": help_}
