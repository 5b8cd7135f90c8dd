"""The messages of pub/sub as bytes (pure).

In RESP2 they are arrays, in RESP3 pushes of the same elements: only the first byte differs. So a
message is encoded once for all who get it, however many these are.
"""

from __future__ import annotations

from kiwi_engine.resp import reply

_MESSAGE = b"*3\r\n$7\r\nmessage\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n"
_SHARD_MESSAGE = b"*3\r\n$8\r\nsmessage\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n"
_PATTERN_MESSAGE = b"*4\r\n$8\r\npmessage\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n"


def message(channel: bytes, content: bytes, *, is_sharded: bool = False) -> bytes:
    """For the subscribers of `channel`, in RESP2."""
    form = _SHARD_MESSAGE if is_sharded else _MESSAGE
    return form % (len(channel), channel, len(content), content)


def pattern_message(pattern: bytes, channel: bytes, content: bytes) -> bytes:
    """For the subscribers of `pattern`, which matches `channel`, in RESP2."""
    parts = (len(pattern), pattern, len(channel), channel, len(content), content)
    return _PATTERN_MESSAGE % parts


def as_push(encoded: bytes) -> bytes:
    """A RESP2 message in RESP3."""
    return b">" + encoded[1:]


def confirmation(word: bytes, name: bytes | None, count: int, *, resp3: bool) -> bytes:
    """That a subscription was begun or ended; without a `name`, that there was none to end.

    `word` is the command in lower case, `count` how many subscriptions are left.
    """
    subject = reply.null(resp3) if name is None else reply.bulk(name)
    elements = [reply.bulk(word), subject, reply.integer(count)]
    return reply.push(elements) if resp3 else reply.array(elements)
