"""SLOWLOG (pure but for the log)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import integer
from kiwi_engine.errors import ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.latency.slow_log import SlowEntry
from kiwi_engine.server.network.local.handler import Handler
from kiwi_engine.server.network.local.help import help_reply
from kiwi_engine.server.network.session import Session

_COUNT_DEFAULT: Final = 10
_COUNT_ERROR: Final = "ERR count should be greater than or equal to -1"


def get(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """The newest entries: those of Redis, and as a seventh element where the time went."""
    if len(arguments) > 3:
        shown = arguments[1].decode("utf-8", "surrogateescape")
        raise ReplyError(
            f"ERR unknown subcommand or wrong number of arguments for '{shown}'. Try SLOWLOG HELP."
        )
    count = integer(arguments[2], _COUNT_ERROR) if len(arguments) == 3 else _COUNT_DEFAULT
    if count < -1:
        raise ReplyError(_COUNT_ERROR)
    entries = facade.latency.slow_log.newest(count)
    return reply.array([_entry(entry, session.resp3) for entry in entries])


def _entry(entry: SlowEntry, resp3: bool) -> bytes:
    split = (
        (b"queue", entry.queued_us),
        (b"execute", entry.execute_us),
        (b"sync", entry.sync_us),
    )
    flat = [part for name, time_us in split for part in (reply.bulk(name), reply.integer(time_us))]
    return reply.array(
        [
            reply.integer(entry.number),
            reply.integer(entry.started_s),
            reply.integer(entry.execute_us),
            reply.bulk_array(entry.words),
            reply.bulk(entry.client.encode()),
            reply.bulk(entry.client_name),
            reply.mapping(resp3, flat),
        ]
    )


def len_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return reply.integer(len(facade.latency.slow_log))


def reset(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    facade.latency.slow_log.clear()
    return reply.OK


def help_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return help_reply("slowlog")


HANDLERS: Final[dict[str, Handler]] = {
    "slowlog|get": get,
    "slowlog|len": len_,
    "slowlog|reset": reset,
    "slowlog|help": help_,
}
