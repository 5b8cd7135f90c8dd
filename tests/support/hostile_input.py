"""Bytes that no well-behaved client sends, made from a seed (pure).

Right commands, broken ones, headers that claim anything, inline garbage and mixed line ends, cut
into chunks anywhere. There is no NUL: behind one that is not in a payload Redis waits for ever,
which is the one deliberate difference (see `kiwi_engine.resp.request`).
"""

from __future__ import annotations

from random import Random
from typing import Final

from tests.support.client import encode

_COMMANDS: Final = (
    ("PING",),
    ("PING", "x"),
    ("ECHO", "a b"),
    ("SET", "k", "v"),
    ("GET", "k"),
    ("APPEND", "k", "w"),
    ("STRLEN", "k"),
    ("DEL", "k", "l"),
    ("RPUSH", "l", "a", "b"),
    ("LRANGE", "l", "0", "-1"),
    ("SELECT", "1"),
    ("MULTI",),
    ("EXEC",),
    ("GET",),
    ("NONSENSE", "a"),
    ("AUTH", "wrong"),
    ("AUTH", "secret"),
)
_WORDS: Final = (
    b"*1 *0 *-1 *3 *10 *11 *1000 *1000000000 *2147483647 *2147483648 *99999999999999999999 *-99 * "
    b"*01 *+1 *1x $0 $1 $3 $-1 $-2 $22 $16384 $16385 $536870912 $536870913 $999999999999 $01 $+1 "
    b"$ $x +OK -ERR :1 PING ping _ #t ,1 (1 =8 ~1 %1 >1 |1 !3 GET QUITX 'a \"a 'a'b "
    b"\"\\x41\" '\\'' a\\b"
)
_BLANKS: Final = (b"", b" ", b"SET k 'a b'", b'ECHO "\\n\\x0a"', b"*1\r\n*1", b"ECHO \xff\xfe")
_LINES: Final = (*_WORDS.split(), *_BLANKS)
_ENDS: Final = (b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\n\r", b"\r\r\n")
# A line of about 64 KiB is too long or not, depending on how much of it is read at a time.
_LONG_BYTES: Final = (1000, 5000, 16_384, 16_385, 60_000)
_ENDLESS_BYTES: Final = 200_000
_CHUNK_BYTES: Final = (1, 7, 100, 2000, 1 << 20)


def hostile_input(source: Random) -> bytes:
    """A pipeline, in which something is wrong more often than not."""
    parts = [_part(source) for _ in range(source.randint(1, 12))]
    if source.random() < 0.03:
        parts.append(source.choice([b"*", b"*1\r\n$", b""]) + b"1" * _ENDLESS_BYTES)
    return b"".join(parts)


def _part(source: Random) -> bytes:
    kind = source.random()
    command = encode(*source.choice(_COMMANDS))
    if kind < 0.6:
        return command
    if kind < 0.68:
        spoilt = bytearray(command)
        spoilt[source.randrange(len(spoilt))] = source.randrange(1, 256)
        return bytes(spoilt)
    if kind < 0.74:
        return command[: source.randrange(len(command))]
    if kind < 0.92:
        return source.choice(_LINES) + source.choice(_ENDS)
    if kind < 0.96:
        return bytes(source.randrange(1, 256) for _ in range(source.randint(1, 30)))
    return _long(source)


def _long(source: Random) -> bytes:
    """Something of which there is too much, or nearly."""
    size = source.choice(_LONG_BYTES)
    return source.choice(
        [
            encode("ECHO", b"x" * size),
            b"*" + b"1" * size,
            b"*1\r\n$" + b"1" * size,
            b"a" * size + b"\r\n",
            b"ECHO " + b"a " * (size // 2) + b"\n",
            b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % size + b"\x01" * size + b"\r\n",
        ]
    )


def chunks_of(source: Random, data: bytes) -> list[bytes]:
    """`data`, cut anywhere."""
    bytes_max = source.choice(_CHUNK_BYTES)
    chunks, start = [], 0
    while start < len(data):
        size = source.randint(1, bytes_max)
        chunks.append(data[start : start + size])
        start += size
    return chunks
