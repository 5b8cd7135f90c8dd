"""MONITOR (pure but for the session)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.errors import ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.handler import Handler
from kiwi_engine.server.network.session import Session


def monitor(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """Not answered where the connection monitors already, as in Redis."""
    if session.is_executing:
        raise ReplyError("ERR MONITOR isn't allowed for DENY BLOCKING client")
    if session.is_monitor:
        return b""
    facade.monitors.add(session)
    return reply.OK


HANDLERS: Final[dict[str, Handler]] = {"monitor": monitor}
