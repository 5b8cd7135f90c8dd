"""CLIENT PAUSE and CLIENT UNPAUSE (pure but for the clock)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.clock import wall_ms
from kiwi_engine.commands.timeouts import parse_milliseconds
from kiwi_engine.errors import ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.handler import Handler
from kiwi_engine.server.network.session import Session

_MODES: Final = {b"write": False, b"all": True}


def pause(facade: ServerFacade, session: Session, words: list[bytes]) -> bytes:
    if len(words) > 4:
        raise ReplyError(
            "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP."
        )
    holds_all = _MODES.get(words[3].lower()) if len(words) == 4 else True
    if holds_all is None:
        raise ReplyError("ERR CLIENT PAUSE mode must be WRITE or ALL")
    facade.pause(parse_milliseconds(words[2], wall_ms()), holds_all=holds_all)
    return reply.OK


def unpause(facade: ServerFacade, session: Session, words: list[bytes]) -> bytes:
    facade.unpause()
    return reply.OK


HANDLERS: Final[dict[str, Handler]] = {"client|pause": pause, "client|unpause": unpause}
