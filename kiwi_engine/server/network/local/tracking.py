"""CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR (pure but for the session)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import SYNTAX
from kiwi_engine.errors import ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.handler import Handler
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.tracking.mode import check, options_of

_NOT_TRACKING: Final = (
    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
    "OPTOUT mode enabled"
)
_WRONG_MODE: Final = "ERR CLIENT CACHING {} is only valid when tracking is enabled in {} mode."


def tracking(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    options = options_of(arguments, {each.id for each in facade.sessions()})
    switch = arguments[2].lower()
    if switch == b"on":
        check(options, session.tracking)
        facade.tracking.start(session, options)
    elif switch == b"off":
        facade.tracking.stop(session)
    else:
        raise ReplyError(SYNTAX)
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
