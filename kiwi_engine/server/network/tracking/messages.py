"""The messages of client-side caching as bytes (pure).

In RESP3 they are pushes of their own kind. In RESP2 they reach a connection that another one
redirects to, as messages of a channel that need not be the one it has subscribed to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kiwi_engine.resp import reply
from kiwi_engine.server.network.pubsub.messages import message

CHANNEL: Final = b"__redis__:invalidate"
_PUSH: Final = b">2\r\n$10\r\ninvalidate\r\n"
_MESSAGE: Final = message(CHANNEL, b"")[: -len(reply.EMPTY_BULK)]


def invalidation(keys: Iterable[bytes] | None, *, resp3: bool) -> bytes:
    """`keys` have changed; None: any key may have. In the protocol of the one who gets it."""
    content = reply.null(resp3) if keys is None else reply.bulk_array(keys)
    return (_PUSH if resp3 else _MESSAGE) + content


def broken_redirection(redirect: int) -> bytes:
    """In RESP3: the connection `redirect` that was to be told is gone."""
    return reply.push([reply.bulk(b"tracking-redir-broken"), reply.integer(redirect)])
