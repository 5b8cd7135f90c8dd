"""Reads back what a crash has left, in the form that the oracle knows (shell: a socket, and time).

A plain key is asked for by GET. Of a collection everything that can be asked is asked, and must
agree: counts with contents, and every order with every other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kiwi_engine import clock
from tests.support.client import Client, ErrorReply, encode
from tests.support.collections import model as collection
from tests.support.collections.model import ContentError, Model
from tests.support.workload import model_of, sides_of

SETTLE_TIMEOUT_SECONDS: Final = 30.0
# Replies that refuse a request because of the crash itself; all others are violations.
REFUSALS: Final = ("TIMEOUT", "UNKNOWN")
_RETRY_SECONDS: Final = 0.02
_PLAIN_AT_ONCE: Final = 64


class ReadBackError(Exception):
    """A key could not be read although the server answers, or contradicts itself."""


def read_back(client: Client, keys: Sequence[bytes]) -> dict[bytes, bytes | None]:
    """What `keys` hold, asking again while the storage runtime is away; `ReadBackError`."""
    found: dict[bytes, bytes | None] = {}
    plain = [key for key in keys if model_of(key) is None]
    for start in range(0, len(plain), _PLAIN_AT_ONCE):
        # Few at a time: nobody reads the replies while the requests are being sent.
        some = plain[start : start + _PLAIN_AT_ONCE]
        replies = _ask(client, [[b"GET", key] for key in some])
        found.update(zip(some, replies, strict=True))
    for key in keys:
        if (model := model_of(key)) is not None:
            found[key] = collection.encode([_side(client, model, side) for side in sides_of(key)])
    return found


def key_count(observed: dict[bytes, bytes | None]) -> int:
    """How many keys of the server were read."""
    return sum(
        value is not None if model_of(key) is None else collection.key_count(value)
        for key, value in observed.items()
    )


def _side(client: Client, model: Model, key: bytes) -> Any:
    replies = _ask(client, model.questions(key), tolerated=("NOGROUP", "ERR no such key"))
    try:
        return model.content(replies)
    except ContentError as error:
        raise ReadBackError(f"{key!r} contradicts itself: {error}") from None


def _ask(
    client: Client, questions: Sequence[list[bytes]], tolerated: tuple[str, ...] = ()
) -> list[Any]:
    """The replies to all, each asked until it is answered; `tolerated` errors are answers."""
    deadline_ns = clock.monotonic_ns() + int(SETTLE_TIMEOUT_SECONDS * 1e9)
    replies: dict[int, Any] = {}
    while missing := [at for at in range(len(questions)) if at not in replies]:
        client.send(b"".join(encode(*questions[at]) for at in missing))
        for at in missing:
            reply = client.reply()
            if not isinstance(reply, ErrorReply) or str(reply).startswith(tolerated or "\0"):
                replies[at] = reply
            elif str(reply).split(" ", 1)[0] not in REFUSALS:
                raise ReadBackError(f"{questions[at]!r} failed: {reply}")
            elif clock.monotonic_ns() > deadline_ns:
                raise ReadBackError(f"no read for {SETTLE_TIMEOUT_SECONDS} s: {reply}")
        if len(replies) < len(questions):
            clock.sleep(_RETRY_SECONDS)
    return [replies[at] for at in range(len(questions))]
