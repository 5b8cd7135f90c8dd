"""A cheap client for a mixed, pipelined load (shell: sockets).

Keys and values are such that the bytes of every reply are known beforehand. So the client compares
instead of parsing, and leaves the processors to the server: it takes a few percent of one.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.support.client import Client, encode

VALUE: Final = b"x" * 64
_GET_REPLY: Final = b"$%d\r\n%b\r\n" % (len(VALUE), VALUE)
_SET_REPLY: Final = b"+OK\r\n"
# Different pipelines that each connection takes in turn.
_VARIANTS: Final = 64
_KEYS_AT_ONCE: Final = 1000
_CHUNK_BYTES: Final = 1 << 18
_REPLY_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True)
class Shape:
    """How many connections, how many commands each has under way, which part of them SETs."""

    connections: int
    pipeline: int
    writes: float
    keys: int = 100_000


@dataclass(frozen=True)
class Load:
    """What was done in `seconds`; `processor_seconds`: what it took this client."""

    commands: int
    seconds: float
    processor_seconds: float


@dataclass
class _Lane:
    """One connection, and what it still has to receive."""

    connection: socket.socket
    expected: bytes = b""
    received: bytearray = field(default_factory=bytearray)


def preload(port: int, shape: Shape) -> None:
    """Give every key that is asked for its value."""
    with Client(port) as client:
        for first in range(0, shape.keys, _KEYS_AT_ONCE):
            numbers = range(first, min(first + _KEYS_AT_ONCE, shape.keys))
            pairs = (part for number in numbers for part in (key(number), VALUE))
            assert client.command("MSET", *pairs) == b"OK"


def key(number: int) -> bytes:
    return b"key:%012d" % number


def pipelines(shape: Shape, seed: int) -> list[tuple[bytes, bytes]]:
    """Requests, each with its replies; random keys, random order."""
    random = Random(seed)
    found = []
    for _ in range(_VARIANTS):
        requests, replies = [], []
        for _ in range(shape.pipeline):
            name = key(random.randrange(shape.keys))
            is_write = random.uniform(0, 1) < shape.writes
            requests.append(encode("SET", name, VALUE) if is_write else encode("GET", name))
            replies.append(_SET_REPLY if is_write else _GET_REPLY)
        found.append((b"".join(requests), b"".join(replies)))
    return found


def drive(port: int, shape: Shape, seconds: float, seed: int) -> Load:
    """Load the server, which was preloaded; each connection sends when it is answered."""
    choices = pipelines(shape, seed)
    random = Random(seed)
    started_cpu_s, started_s = time.process_time(), time.perf_counter()
    with ExitStack() as stack:
        lanes = []
        for _ in range(shape.connections):
            connection = socket.create_connection(("127.0.0.1", port), timeout=_REPLY_TIMEOUT_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            lanes.append(_Lane(stack.enter_context(connection)))
        selector = stack.enter_context(selectors.DefaultSelector())
        answered = _pump(
            selector, lanes, lambda: random.choice(choices), time.perf_counter() + seconds
        )
    took_s = time.perf_counter() - started_s
    return Load(answered * shape.pipeline, took_s, time.process_time() - started_cpu_s)


def _pump(
    selector: selectors.BaseSelector,
    lanes: Sequence[_Lane],
    choose: Callable[[], tuple[bytes, bytes]],
    ending_s: float,
) -> int:
    """Keep all lanes busy until then, and wait for the last replies; pipelines answered."""
    for lane in lanes:
        selector.register(lane.connection, selectors.EVENT_READ, lane)
        _send(lane, choose())
    answered, under_way = 0, len(lanes)
    while under_way:
        ready = selector.select(_REPLY_TIMEOUT_S)
        assert ready, "the server does not answer"
        is_over = time.perf_counter() >= ending_s
        for event, _ in ready:
            lane = event.data
            if not _is_answered(lane):
                continue
            answered += 1
            if is_over:
                under_way -= 1
            else:
                _send(lane, choose())
    return answered


def _send(lane: _Lane, choice: tuple[bytes, bytes]) -> None:
    requests, lane.expected = choice
    lane.connection.sendall(requests)


def _is_answered(lane: _Lane) -> bool:
    """Take what has come; whether that was the last of it."""
    data = lane.connection.recv(_CHUNK_BYTES)
    assert data, "the server closed a connection"
    lane.received += data
    expected = lane.expected[: len(lane.received)]
    assert lane.received == expected, f"wrong replies: {bytes(lane.received[:200])!r}"
    if len(expected) < len(lane.expected):
        return False
    lane.received.clear()
    return True
