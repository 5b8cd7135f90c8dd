"""The commands of pub/sub (glue).

A confirmation is the whole reply of a subscribing command, in RESP3 a push: it is sent even while
replies are switched off, as messages are.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.glob import compile_glob
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.handler import Answer, Handler
from kiwi_engine.server.network.local.help import help_reply
from kiwi_engine.server.network.local.wishes import tell_storage
from kiwi_engine.server.network.pubsub.broker import QUERY
from kiwi_engine.server.network.pubsub.registry import Kind
from kiwi_engine.server.network.session import Session

_SUBJECT_SHOWN: Final = 128
# What a connection may send that has subscriptions in RESP2, where its replies and messages would
# look alike otherwise.
_ALLOWED: Final = frozenset(
    (
        *("subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe"),
        *("ping", "quit", "reset"),
    )
)


def check_subscriber(session: Session, name: str) -> None:
    """Raise `ReplyError` where `session` may not send the command `name` for its subscriptions."""
    if session.subscriptions is None or session.resp3 or name in _ALLOWED:
        return
    raise ReplyError(
        f"ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
        "RESET are allowed in this context"
    )


def subscribe(facade: ServerFacade, session: Session, arguments: list[bytes]) -> Answer:
    return _confirmed(facade, facade.exchange.subscribe(session, Kind.CHANNEL, arguments[1:]))


def psubscribe(facade: ServerFacade, session: Session, arguments: list[bytes]) -> Answer:
    return _confirmed(facade, facade.exchange.subscribe(session, Kind.PATTERN, arguments[1:]))


def ssubscribe(facade: ServerFacade, session: Session, arguments: list[bytes]) -> Answer:
    """Refused in a transaction, unlike its older siblings, which clients have used there."""
    if session.is_executing:
        raise ReplyError("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
    return _confirmed(facade, facade.exchange.subscribe(session, Kind.SHARD_CHANNEL, arguments[1:]))


def unsubscribe(facade: ServerFacade, session: Session, arguments: list[bytes]) -> Answer:
    return _confirmed(facade, facade.exchange.unsubscribe(session, Kind.CHANNEL, arguments[1:]))


def punsubscribe(facade: ServerFacade, session: Session, arguments: list[bytes]) -> Answer:
    return _confirmed(facade, facade.exchange.unsubscribe(session, Kind.PATTERN, arguments[1:]))


def sunsubscribe(facade: ServerFacade, session: Session, arguments: list[bytes]) -> Answer:
    return _confirmed(
        facade, facade.exchange.unsubscribe(session, Kind.SHARD_CHANNEL, arguments[1:])
    )


def _confirmed(facade: ServerFacade, answer: Answer) -> Answer:
    return answer if facade.peers.numbering.count == 1 else _when_counted(facade, answer)


async def _when_counted(facade: ServerFacade, answer: Answer) -> bytes:
    """The confirmations, once scripts of clients of any process count the subscriber, too."""
    confirmations = answer if isinstance(answer, bytes) else await answer
    # Behind the counts, which are told in any case.
    await tell_storage(facade, QUERY, {})
    return confirmations


def publish(facade: ServerFacade, session: Session, arguments: list[bytes]) -> Answer:
    _, channel, content = arguments
    return facade.exchange.publish(session, channel, content, is_sharded=False)


def spublish(facade: ServerFacade, session: Session, arguments: list[bytes]) -> Answer:
    _, channel, content = arguments
    return facade.exchange.publish(session, channel, content, is_sharded=True)


def channels(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return _list(facade, Kind.CHANNEL, arguments)


def shardchannels(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return _list(facade, Kind.SHARD_CHANNEL, arguments)


def _list(facade: ServerFacade, kind: Kind, arguments: list[bytes]) -> bytes:
    if len(arguments) > 3:
        shown = arguments[1][:_SUBJECT_SHOWN].decode("utf-8", "surrogateescape")
        raise ReplyError(
            f"ERR unknown subcommand or wrong number of arguments for '{shown}'. Try PUBSUB HELP."
        )
    names = facade.exchange.names(kind)
    if len(arguments) == 3:
        matches = compile_glob(arguments[2])
        names = [name for name in names if matches(name)]
    return reply.bulk_array(names)


def numsub(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return _counts(facade, Kind.CHANNEL, arguments)


def shardnumsub(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return _counts(facade, Kind.SHARD_CHANNEL, arguments)


def _counts(facade: ServerFacade, kind: Kind, arguments: list[bytes]) -> bytes:
    flat: list[bytes] = []
    for name in arguments[2:]:
        flat += (reply.bulk(name), reply.integer(facade.exchange.count(kind, name)))
    return reply.array(flat)


def numpat(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return reply.integer(len(facade.exchange.names(Kind.PATTERN)))


def help_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return help_reply("pubsub")


HANDLERS: Final[dict[str, Handler]] = {
    "subscribe": subscribe,
    "unsubscribe": unsubscribe,
    "psubscribe": psubscribe,
    "punsubscribe": punsubscribe,
    "ssubscribe": ssubscribe,
    "sunsubscribe": sunsubscribe,
    "publish": publish,
    "spublish": spublish,
    "pubsub|channels": channels,
    "pubsub|shardchannels": shardchannels,
    "pubsub|numsub": numsub,
    "pubsub|shardnumsub": shardnumsub,
    "pubsub|numpat": numpat,
    "pubsub|help": help_,
}
