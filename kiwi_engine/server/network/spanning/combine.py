"""One reply out of those that the network processes gave to the same command (pure).

Each function gets the encoded replies, that of the primary first, and what was asked.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import hiredis

from kiwi_engine.resp import reply

_ID: Final = re.compile(rb"id=(\d+)")


class Asked(NamedTuple):
    """The words of a command, and whether its client speaks RESP3."""

    words: list[bytes]
    resp3: bool


def decoded(encoded: bytes) -> Any:
    """What a reply says, texts as bytes."""
    reader = hiredis.Reader()
    reader.feed(encoded)
    return reader.gets()


def is_error(encoded: bytes) -> bool:
    return encoded.startswith(b"-")


def primary_alone(replies: list[bytes], asked: Asked) -> bytes:
    """The reply of the primary."""
    return replies[0]


def total(replies: list[bytes], asked: Asked) -> bytes:
    """The sum of integers, or the first error."""
    error = next(filter(is_error, replies), None)
    return error or reply.integer(sum(map(decoded, replies)))


def any_killed(replies: list[bytes], asked: Asked) -> bytes:
    """Of CLIENT KILL: how many were killed; with an address it is an error if it was nobody's."""
    done = [each for each in replies if not is_error(each)]
    if not done or not done[0].startswith(b":"):
        return done[0] if done else replies[0]
    return total(done, asked)


def client_lines(replies: list[bytes], asked: Asked) -> bytes:
    """The lines of all clients: in the order of their ids, or in that in which they were named."""
    if is_error(replies[0]):
        return replies[0]
    lines = {_id_of(line): line for each in replies for line in _text(each).splitlines(True)}
    named = [int(word) for word in asked.words[3:]] if _are_named(asked.words) else sorted(lines)
    return reply.verbatim(asked.resp3, b"".join(lines[each] for each in named if each in lines))


def _are_named(words: list[bytes]) -> bool:
    """Whether it is `CLIENT LIST ID id ...`."""
    return len(words) > 3 and words[2].lower() == b"id"


def _text(encoded: bytes) -> bytes:
    """The content of a bulk or verbatim string."""
    content: bytes = encoded[encoded.index(b"\r\n") + 2 : -2]
    return content[4:] if encoded.startswith(b"=") else content


def _id_of(line: bytes) -> int:
    found = _ID.match(line)
    assert found is not None, "each line of CLIENT LIST begins with an id"
    return int(found[1])
