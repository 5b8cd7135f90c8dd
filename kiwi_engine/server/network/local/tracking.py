"""CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR (glue)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import SYNTAX
from kiwi_engine.errors import ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.handler import Answer, Handler
from kiwi_engine.server.network.local.wishes import tell_storage
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.tracking.mode import (
    TrackingOptions,
    check,
    options_of,
    redirects_of,
)
from kiwi_engine.server.network.tracking.tracking import QUERY

_NOT_TRACKING: Final = (
    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
    "OPTOUT mode enabled"
)
_WRONG_MODE: Final = "ERR CLIENT CACHING {} is only valid when tracking is enabled in {} mode."


def tracking(facade: ServerFacade, session: Session, arguments: list[bytes]) -> Answer:
    connections = {each.id for each in facade.sessions()}
    if facade.peers.numbering.count > 1:
        return _track_all(facade, session, arguments, connections)
    options = _options(session, arguments, connections)
    if options is None:
        facade.tracking.stop(session)
    else:
        facade.tracking.start(session, options)
    return reply.OK


def _options(
    session: Session, arguments: list[bytes], connections: set[int]
) -> TrackingOptions | None:
    """What is asked for, which was checked; None: tracking is to end."""
    options = options_of(arguments, connections)
    switch = arguments[2].lower()
    if switch == b"on":
        check(options, session.tracking)
        return options
    if switch == b"off":
        return None
    raise ReplyError(SYNTAX)


async def _track_all(
    facade: ServerFacade, session: Session, arguments: list[bytes], connections: set[int]
) -> bytes:
    """Changes that other processes ask for behind the reply are followed, too."""
    redirections = facade.tracking.redirections
    for connection in filter(redirections.crosses, redirects_of(arguments)):
        if await redirections.exists(connection):
            connections.add(connection)
    options = _options(session, arguments, connections)
    if options is None:
        facade.tracking.stop(session)
        return reply.OK
    with facade.tracking.beginning(options) as wanted:
        await tell_storage(facade, QUERY, wanted)
        facade.tracking.start(session, options)
    return reply.OK


def caching(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """About what the next command, or the next transaction, reads."""
    mode = session.tracking
    if mode is None:
        raise ReplyError(_NOT_TRACKING)
    answer = arguments[2].lower()
    if answer == b"yes":
        if not mode.opts_in:
            raise ReplyError(_WRONG_MODE.format("YES", "OPTIN"))
    elif answer == b"no":
        if not mode.opts_out:
            raise ReplyError(_WRONG_MODE.format("NO", "OPTOUT"))
    else:
        raise ReplyError(SYNTAX)
    mode.is_caching = True
    session.refresh()
    return reply.OK


def getredir(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """-1 where the connection does not track, 0 where it is told itself."""
    return reply.integer(-1 if session.tracking is None else session.tracking.redirect)


def trackinginfo(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    mode = session.tracking
    flags = [b"off"] if mode is None else mode.flag_names
    prefixes = sorted(mode.prefixes) if mode is not None else []
    return reply.mapping(
        session.resp3,
        [
            reply.bulk(b"flags"),
            reply.set_of(session.resp3, [reply.bulk(flag) for flag in flags]),
            reply.bulk(b"redirect"),
            getredir(facade, session, arguments),
            reply.bulk(b"prefixes"),
            reply.bulk_array(prefixes),
        ],
    )


HANDLERS: Final[dict[str, Handler]] = {
    "client|tracking": tracking,
    "client|caching": caching,
    "client|getredir": getredir,
    "client|trackinginfo": trackinginfo,
}
