"""The same hostile bytes for two servers, whose answers must be the same (glue).

Every byte of the answers counts, up to the close. A server that closes while there is something for
it to read makes the kernel throw away what is on its way to the client; then the shorter answer
must be the beginning of the longer one.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Sequence
from random import Random
from typing import Final, NamedTuple

from tests.support.client import Client
from tests.support.hostile_input import chunks_of, hostile_input

PASSWORD: Final = "secret"
# Each server is to run with these.
SETTINGS: Final[dict[str, str | int]] = {"proto-max-bulk-len": "512mb"}
_TIMEOUT_S: Final = 20.0
_RECEIVE_BYTES: Final = 1 << 16


class Answer(NamedTuple):
    """What came back until the close; `is_whole` is false where some of it may be lost."""

    received: bytes
    is_whole: bool


def answer(port: int, chunks: Sequence[bytes]) -> Answer:
    """Send everything, then the end; `TimeoutError` if the server does not close behind it."""
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = bytearray()
        try:
            for chunk in chunks:
                connection.sendall(chunk)
            connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(_RECEIVE_BYTES):
                received += data
        except TimeoutError:
            raise
        except OSError:
            # It closed in the middle of what it was sent.
            with contextlib.suppress(ConnectionError):
                while data := connection.recv(_RECEIVE_BYTES):
                    received += data
            return Answer(bytes(received), False)
    return Answer(bytes(received), True)


def agree(one: Answer, other: Answer) -> bool:
    """Whether two servers said the same, as far as that can be known."""
    if one.is_whole and other.is_whole:
        return one.received == other.received
    shorter, longer = sorted((one.received, other.received), key=len)
    return longer.startswith(shorter)


def reset(ports: Iterable[int], *, with_password: bool) -> None:
    """Empty the databases; and ask for a password from now on, or do not."""
    for port in ports:
        with Client(port) as client:
            client.command("AUTH", PASSWORD)
            assert client.command("FLUSHALL") == b"OK"
            password = PASSWORD if with_password else ""
            assert client.command("CONFIG", "SET", "requirepass", password) == b"OK"


def compare(reference_port: int, port: int, seed: int) -> str:
    """What the two servers disagree about with the input of this seed; empty if nothing."""
    source = Random(seed)
    with_password = source.random() < 0.25
    data = hostile_input(source)
    chunks = chunks_of(source, data) if len(data) < 2000 else [data]
    reset((reference_port, port), with_password=with_password)
    expected, given = answer(reference_port, chunks), answer(port, chunks)
    if agree(expected, given):
        return ""
    return (
        f"seed {seed}, {'with' if with_password else 'no'} password, {len(chunks)} chunks of "
        f"{data[:300]!r}\n  reference: {expected.received[:2000]!r}\n  "
        f"got:       {given.received[:300]!r}"
    )
