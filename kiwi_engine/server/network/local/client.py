"""CLIENT and its subcommands (pure but for the sessions)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.commands.arguments import SYNTAX, integer, integer_between
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.client_lines import client_line
from kiwi_engine.server.network.local.client_names import check_name
from kiwi_engine.server.network.local.handler import Handler
from kiwi_engine.server.network.local.help import help_reply
from kiwi_engine.server.network.session import ReplyMode, Session

_TYPES: Final = (b"normal", b"slave", b"replica", b"pubsub", b"master")
_Filter = Callable[[Session], bool]


def id_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return reply.integer(session.id)


def help_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return help_reply("client")


def getname(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return reply.bulk(session.name) if session.name else reply.null(session.resp3)


def setname(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """An empty name takes the name away."""
    name = arguments[2]
    check_name(name, "Client names cannot contain spaces, newlines or special characters.")
    session.name = name
    return reply.OK


def setinfo(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    option, value = arguments[2], arguments[3]
    shown = option.decode("utf-8", "surrogateescape")
    if option.lower() not in (b"lib-name", b"lib-ver"):
        raise ReplyError(f"ERR Unrecognized option '{shown}'")
    check_name(value, f"{shown} cannot contain spaces, newlines or special characters.")
    if option.lower() == b"lib-name":
        session.library_name = value
    else:
        session.library_version = value
    return reply.OK


def info(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return _lines(facade, session, [session])


def list_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """`CLIENT LIST`, `CLIENT LIST TYPE type` or `CLIENT LIST ID id ...`."""
    if len(arguments) == 2:
        return _lines(facade, session, list(facade.sessions()))
    option = arguments[2].lower()
    if option == b"type" and len(arguments) == 4:
        matches = _is_of_type(arguments[3])
        return _lines(facade, session, [each for each in facade.sessions() if matches(each)])
    if option == b"id" and len(arguments) > 3:
        wanted = [integer(word, "ERR Invalid client ID") for word in arguments[3:]]
        by_id = {each.id: each for each in facade.sessions()}
        return _lines(facade, session, [by_id[number] for number in wanted if number in by_id])
    raise ReplyError(SYNTAX)


def _lines(facade: ServerFacade, session: Session, shown: list[Session]) -> bytes:
    now_ns = monotonic_ns()
    lines = [client_line(each, now_ns, facade.buffers(each)) for each in shown]
    return reply.verbatim(session.resp3, b"".join(line + b"\n" for line in lines))


def _is_of_type(word: bytes) -> _Filter:
    if word.lower() not in _TYPES:
        shown = word.decode("utf-8", "surrogateescape")
        raise ReplyError(f"ERR Unknown client type '{shown}'")
    # There are no replicas: every connection is a normal one or a subscriber.
    if word.lower() == b"normal":
        return lambda session: session.subscriptions is None
    is_pubsub = word.lower() == b"pubsub"
    return lambda session: is_pubsub and session.subscriptions is not None


def kill(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """`CLIENT KILL ip:port` answers OK or an error, the form with filters answers a count."""
    if len(arguments) == 3:
        address = arguments[2].decode("utf-8", "surrogateescape")
        victims = [each for each in facade.sessions() if each.address == address]
        if not victims:
            raise ReplyError("ERR No such client")
        _kill_all(facade, session, victims)
        return reply.OK
    filters, skips_me = _kill_filters(facade, arguments[2:])
    victims = [
        each
        for each in facade.sessions()
        if all(matches(each) for matches in filters) and not (skips_me and each.id == session.id)
    ]
    _kill_all(facade, session, victims)
    return reply.integer(len(victims))


def _kill_all(facade: ServerFacade, session: Session, victims: list[Session]) -> None:
    for victim in victims:
        if victim.id == session.id:
            # Its reply is still sent.
            victim.close_after_reply = True
        else:
            facade.kill(victim)


def _kill_filters(facade: ServerFacade, words: list[bytes]) -> tuple[list[_Filter], bool]:
    """What a victim must fulfil, and whether the caller is spared."""
    if len(words) % 2:
        raise ReplyError(SYNTAX)
    filters: dict[bytes, _Filter] = {}
    skips_me = True
    for option, value in zip(words[::2], words[1::2], strict=True):
        name = option.lower()
        if name == b"skipme":
            skips_me = _yes_or_no(value)
        else:
            # As in Redis, the last filter of a kind counts.
            filters[name] = _kill_filter(facade, name, value)
    return list(filters.values()), skips_me


def _kill_filter(facade: ServerFacade, name: bytes, value: bytes) -> _Filter:
    text = value.decode("utf-8", "surrogateescape")
    if name == b"id":
        wanted = integer_between(value, 1, INTEGER_MAX, "ERR client-id should be greater than 0")
        return lambda session: session.id == wanted
    if name == b"type":
        return _is_of_type(value)
    if name == b"addr":
        return lambda session: session.address == text
    if name == b"laddr":
        return lambda session: session.local_address == text
    if name == b"user":
        if facade.acl.users.named(value) is None:
            raise ReplyError(f"ERR No such user '{text}'")
        return lambda session: session.user == text
    raise ReplyError(SYNTAX)


def _yes_or_no(word: bytes) -> bool:
    if word.lower() not in (b"yes", b"no"):
        raise ReplyError(SYNTAX)
    return word.lower() == b"yes"


def _on_or_off(word: bytes) -> bool:
    if word.lower() not in (b"on", b"off"):
        raise ReplyError(SYNTAX)
    return word.lower() == b"on"


def reply_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """OFF and SKIP are not answered themselves."""
    mode = arguments[2].lower()
    if mode == b"on":
        session.reply_mode = ReplyMode.ON
        return reply.OK
    if mode == b"off":
        session.reply_mode = ReplyMode.OFF
    elif mode == b"skip":
        if session.reply_mode is not ReplyMode.OFF:
            session.reply_mode = ReplyMode.SKIP
    else:
        raise ReplyError(SYNTAX)
    return b""


def no_evict(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """Kept and shown; no client is ever evicted here."""
    session.no_evict = _on_or_off(arguments[2])
    return reply.OK


def no_touch(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """Whether its commands, but for TOUCH, count as uses of their keys."""
    session.no_touch = _on_or_off(arguments[2])
    session.refresh()
    return reply.OK


HANDLERS: Final[dict[str, Handler]] = {
    "client|id": id_,
    "client|help": help_,
    "client|getname": getname,
    "client|setname": setname,
    "client|setinfo": setinfo,
    "client|info": info,
    "client|list": list_,
    "client|kill": kill,
    "client|reply": reply_,
    "client|no-evict": no_evict,
    "client|no-touch": no_touch,
}
