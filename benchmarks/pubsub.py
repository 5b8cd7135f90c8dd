"""How fast do messages reach their subscribers? (glue)

    python benchmarks/pubsub.py                       about half a minute
    python benchmarks/pubsub.py --subscribers 100

Kiwi Engine, redis-server and Valkey in turn. One channel with many subscribers, one with a single
one; the publisher sends batches in pipelines, and the time runs until the last subscriber has the
last message. Printed are deliveries a second, the median of three runs each.
"""

from __future__ import annotations

import argparse
import contextlib
import selectors
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support import servers
from tests.support.client import encode
from tests.support.servers import ServerProcess

CONTENT: Final = b"x" * 64
RUNS: Final = 3
# Name, subscribers (0: as the command line says), messages, messages in a batch.
CASES: Final = (
    ("many subscribers, one message at a time", 0, 200, 1),
    ("many subscribers, batches of 50", 0, 500, 50),
    ("one subscriber, one message at a time", 1, 5_000, 1),
    ("one subscriber, batches of 100", 1, 50_000, 100),
)
_CHUNK_BYTES: Final = 1 << 20


@contextlib.contextmanager
def subscribers(port: int, channel: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Connections that are subscribed, their confirmations read."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port))
            stack.enter_context(connection)
            connection.sendall(encode("SUBSCRIBE", channel))
            connection.recv(_CHUNK_BYTES)
            found.append(connection)
        yield found


def deliver(port: int, channel: bytes, count: int, messages: int, batch: int) -> float:
    """Deliveries a second."""
    request = encode("PUBLISH", channel, CONTENT) * batch
    replied = len(b":%d\r\n" % count) * batch
    message = len(encode("message", channel, CONTENT))
    with (
        subscribers(port, channel, count) as readers,
        socket.create_connection(("127.0.0.1", port)) as publisher,
        selectors.DefaultSelector() as selector,
    ):
        publisher.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for reader in (publisher, *readers):
            selector.register(reader, selectors.EVENT_READ)
        started_s = time.perf_counter()
        for _ in range(messages // batch):
            publisher.sendall(request)
            _receive(selector, replied + message * batch * count)
        return messages * count / (time.perf_counter() - started_s)


def _receive(selector: selectors.BaseSelector, wanted: int) -> None:
    """Read from whoever has something until `wanted` bytes are there."""
    while wanted > 0:
        for key, _ in selector.select():
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            data = connection.recv(_CHUNK_BYTES)
            if not data:
                raise ConnectionError("a server closed a connection")
            wanted -= len(data)


def available() -> dict[str, Callable[[Path], ServerProcess]]:
    """How each server that can be run here is made."""
    found: dict[str, Callable[[Path], ServerProcess]] = {"kiwi": servers.kiwi}
    if servers.find_redis_server():
        found["redis"] = servers.redis_server
    if servers.find_valkey_server():
        found["valkey"] = servers.valkey_server
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subscribers", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        running = {
            name: stack.enter_context(make(Path(folder) / name))
            for name, make in available().items()
        }
        print(f"{'deliveries a second':<42}" + "".join(f"{name:>12}" for name in running))
        for title, count, messages, batch in CASES:
            cells = []
            for server in running.values():
                measured = [
                    deliver(server.port, b"news", count or arguments.subscribers, messages, batch)
                    for _ in range(RUNS)
                ]
                cells.append(f"{statistics.median(measured):>12,.0f}")
            print(f"{title:<42}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main()
