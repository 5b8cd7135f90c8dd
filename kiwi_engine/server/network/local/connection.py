"""PING, ECHO, HELLO, AUTH, SELECT, QUIT, RESET (glue)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from kiwi_engine.acl.user import DEFAULT_NAME
from kiwi_engine.commands.arguments import INT32_MAX, INT32_MIN, integer_between
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.integers import to_integer
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.authentication import NO_PASSWORD_SET, log_in, log_out
from kiwi_engine.server.network.local.client_names import check_name
from kiwi_engine.server.network.local.compatibility import (
    REDIS_VERSION,
    ROLE,
    SERVER_MODE,
    SERVER_NAME,
)
from kiwi_engine.server.network.local.handler import Answer, Handler
from kiwi_engine.server.network.session import Session

_RESET: Final = b"+RESET\r\n"
_HELLO_NOAUTH: Final = (
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
    "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
    "RESP protocol version at the same time"
)


def ping(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    if len(arguments) > 2:
        raise ReplyError("ERR wrong number of arguments for 'ping' command")
    content = arguments[1] if len(arguments) == 2 else b""
    if session.subscriptions is not None and not session.resp3:
        # In the form of a message: a subscriber waits for nothing else.
        return reply.bulk_array([b"pong", content])
    return reply.bulk(content) if len(arguments) == 2 else reply.PONG


def echo(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return reply.bulk(arguments[1])


def auth(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """`AUTH password` or `AUTH username password`."""
    if len(arguments) > 3:
        raise ReplyError("ERR syntax error")
    if len(arguments) == 2:
        if facade.acl.users.default.no_password:
            raise ReplyError(NO_PASSWORD_SET)
        log_in(facade, session, DEFAULT_NAME.encode(), arguments[1], arguments[0])
    else:
        log_in(facade, session, arguments[1], arguments[2], arguments[0])
    return reply.OK


def hello(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """Nothing changes unless all of the options are right, but for a login that succeeded."""
    version = _protocol_version(arguments[1]) if len(arguments) > 1 else None
    credentials, name = _hello_options(arguments)
    if credentials is not None:
        log_in(facade, session, *credentials, arguments[0])
    if not session.authenticated and facade.acl.needs_login:
        raise ReplyError(_HELLO_NOAUTH)
    if name is not None:
        session.name = name
    if version is not None:
        session.resp3 = version == 3
    return _introduction(session)


def _protocol_version(word: bytes) -> int:
    version = to_integer(word)
    if version is None:
        raise ReplyError("ERR Protocol version is not an integer or out of range")
    if version not in (2, 3):
        raise ReplyError("NOPROTO unsupported protocol version")
    return version


def _hello_options(arguments: list[bytes]) -> tuple[tuple[bytes, bytes] | None, bytes | None]:
    """User and password, and the connection's name, as far as they are given."""
    credentials: tuple[bytes, bytes] | None = None
    name: bytes | None = None
    position = 2
    while position < len(arguments):
        option = arguments[position].lower()
        following = len(arguments) - position - 1
        if option == b"auth" and following >= 2:
            credentials = (arguments[position + 1], arguments[position + 2])
            position += 3
        elif option == b"setname" and following >= 1:
            name = arguments[position + 1]
            check_name(name, "Client names cannot contain spaces, newlines or special characters.")
            position += 2
        else:
            shown = arguments[position].decode("utf-8", "surrogateescape")
            raise ReplyError(f"ERR Syntax error in HELLO option '{shown}'")
    return credentials, name


def _introduction(session: Session) -> bytes:
    return reply.mapping(
        session.resp3,
        [
            *(reply.bulk(b"server"), reply.bulk(SERVER_NAME.encode())),
            *(reply.bulk(b"version"), reply.bulk(REDIS_VERSION.encode())),
            *(reply.bulk(b"proto"), reply.integer(3 if session.resp3 else 2)),
            *(reply.bulk(b"id"), reply.integer(session.id)),
            *(reply.bulk(b"mode"), reply.bulk(SERVER_MODE.encode())),
            *(reply.bulk(b"role"), reply.bulk(ROLE.encode())),
            *(reply.bulk(b"modules"), reply.EMPTY_ARRAY),
        ],
    )


def select(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    index = integer_between(arguments[1], INT32_MIN, INT32_MAX)
    if not 0 <= index < int(facade.config.get("databases")):
        raise ReplyError("ERR DB index is out of range")
    session.db = index
    return reply.OK


def quit_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    session.close_after_reply = True
    return reply.OK


def reset(facade: ServerFacade, session: Session, arguments: list[bytes]) -> Answer:
    departed = facade.exchange.forget(session)
    facade.tracking.stop(session)
    facade.monitors.remove(session)
    session.reset(authenticated=not facade.acl.needs_login)
    log_out(facade, session)
    return _RESET if departed is None else _reset_when(departed)


async def _reset_when(departed: Awaitable[None]) -> bytes:
    """The reply, once nobody counts it among the subscribers any more."""
    await departed
    return _RESET


HANDLERS: Final[dict[str, Handler]] = {
    "ping": ping,
    "echo": echo,
    "hello": hello,
    "auth": auth,
    "select": select,
    "quit": quit_,
    "reset": reset,
}
