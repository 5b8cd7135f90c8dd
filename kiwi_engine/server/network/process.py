"""A worker as a process (shell).

    python -m kiwi_engine.server.network.process LINK DOORWAY COUNTS

The arguments are file descriptors: of the link to the primary, whose first frame tells how to
start; of the doorway, through which channels to storage processes come; of the memory in which all
network processes count their clients.

SIGINT and SIGTERM are ignored: terminals and service managers send them to all processes of a
server, and the supervisor decides when to stop.

Exit codes: 0 stopped as asked, 1 failed, or the primary is gone.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import sys
import threading

from kiwi_engine.channel.frames import LENGTH
from kiwi_engine.logs import setup_logging
from kiwi_engine.server.network.client_counts import ClientCounts
from kiwi_engine.server.network.event_loop import loop_factory
from kiwi_engine.server.network.worker import PRIMARY_LOST, NetworkWorker
from kiwi_engine.server.network.worker_start import WorkerStart, decode_start


def main(arguments: list[str]) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    link, doorway, memory = (int(argument) for argument in arguments)
    with socket.socket(fileno=link) as link_socket, socket.socket(fileno=doorway) as door:
        try:
            body = _first_frame(link_socket)
        except EOFError:
            # The primary has died before it told anything, even where the log is.
            return PRIMARY_LOST
        start = decode_start(body)
        setup_logging(f"network-{start.number}", start.settings.loglevel, start.settings.logfile)
        _end_with(link_socket)
        link_socket.setblocking(False)
        door.setblocking(False)
        counts = ClientCounts(start.numbering, memory)
        os.close(memory)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_run(start, link_socket, door, counts))
    return 0


async def _run(
    start: WorkerStart, link: socket.socket, doorway: socket.socket, counts: ClientCounts
) -> None:
    await NetworkWorker(start, link, doorway, counts).run()


def _first_frame(link: socket.socket) -> bytes:
    """No byte more is received: what comes behind it is for the event loop."""
    (length,) = LENGTH.unpack(_receive(link, LENGTH.size))
    return _receive(link, length)


def _receive(link: socket.socket, count: int) -> bytes:
    """Exactly so many bytes; `EOFError` if the other end is closed before."""
    received = bytearray()
    while len(received) < count:
        data = link.recv(count - len(received))
        if not data:
            raise EOFError
        received += data
    return bytes(received)


def _end_with(link: socket.socket) -> None:
    """End this process with the one at the other end, whatever the event loop is busy with."""
    # A descriptor of its own: the event loop closes the other.
    watched = link.dup()
    poll = select.poll()
    # Asked for nothing: the end of both directions is told all the same.
    poll.register(watched, 0)

    def watch() -> None:
        poll.poll()
        os._exit(PRIMARY_LOST)

    threading.Thread(target=watch, name="kiwi-orphan", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
