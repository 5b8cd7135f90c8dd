"""MONITOR (glue)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.errors import ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.handler import Answer, Handler
from kiwi_engine.server.network.local.wishes import tell_storage
from kiwi_engine.server.network.monitoring import QUERY
from kiwi_engine.server.network.session import Session


def monitor(facade: ServerFacade, session: Session, arguments: list[bytes]) -> Answer:
    """Not answered where the connection monitors already, as in Redis."""
    if session.is_executing:
        raise ReplyError("ERR MONITOR isn't allowed for DENY BLOCKING client")
    if session.is_monitor:
        return b""
    if facade.peers.numbering.count > 1:
        return _monitor_all(facade, session)
    facade.monitors.add(session)
    return reply.OK


async def _monitor_all(facade: ServerFacade, session: Session) -> bytes:
    """What is executed from the reply on is shown, whichever process it is sent to."""
    with facade.monitors.beginning() as elsewhere:
        await elsewhere.begin()
        await tell_storage(facade, QUERY, {"wanted": True})
        facade.monitors.add(session)
    return reply.OK


HANDLERS: Final[dict[str, Handler]] = {"monitor": monitor}
