"""The storage runtime as a process: `python -m ...storage.process FD [DOORWAY]` (shell).

FD is its end of the channel. With several network processes DOORWAY is a socket by which the
channels of the others come (`doorway`); FD is the supervisor's own.

The first frame holds the settings; after recovery it answers with a hello (a reply without
replies), then it serves until the channel ends: whatever was accepted is committed, and the
directory is closed. If the supervisor has died it is left as after a crash, with nothing missing in
its log, so that another server can have it at once.

SIGINT and SIGTERM are ignored: terminals and service managers send them to all processes of a
server, and the supervisor decides when to stop.

Exit codes: 0 closed, 1 failed, 2 wrong directory or settings, 3 directory in use, 4 damaged data.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import struct
import sys
from typing import Final

import msgspec

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ArchiveError, CorruptionError, KiwiError, LayoutError, LockedError
from kiwi_engine.logs import setup_logging
from kiwi_engine.server.storage.doorway import Doorway
from kiwi_engine.server.storage.inbox import Inbox, SoleInbox
from kiwi_engine.server.storage.incoming import Incoming
from kiwi_engine.server.storage.orphan_watch import OrphanWatch, is_gone
from kiwi_engine.server.storage.outlets import Outlet, SharedOutlet, SoleOutlet
from kiwi_engine.server.storage.runtime import StorageRuntime
from kiwi_engine.server.storage.shared_inbox import SharedInbox

logger = logging.getLogger(__name__)

EXIT_CODES: Final[dict[type[Exception], int]] = {
    LayoutError: 2,
    ArchiveError: 2,
    LockedError: 3,
    CorruptionError: 4,
}
_TICK_S: Final = 0.01
# Garbage collections look at every container; the store holds few, the hot path makes acyclic ones.
_GC_THRESHOLDS: Final = (100_000, 50, 100)


class StorageProcess:
    """Moves frames between the channels and the runtime."""

    def __init__(self, channel: socket.socket, entrance: socket.socket | None = None) -> None:
        self._channel = channel
        self._entrance = entrance

    def run(self) -> int:
        """Serve until the supervisor closes the channel; returns the exit code."""
        OrphanWatch(self._channel).start()
        incoming = Incoming(self._channel)
        try:
            first = incoming.first_frame()
        except EOFError:
            # The supervisor has died before it told where anything is, even the log file.
            return 1
        settings = msgspec.msgpack.decode(first, type=Settings)
        setup_logging("storage", settings.loglevel, settings.logfile)
        inbox, outlet = self._ends(incoming, settings.network_threads)
        try:
            runtime = StorageRuntime(settings, outlet.send)
        except (KiwiError, OSError) as error:
            logger.critical("cannot open %s: %s", settings.dir, error)
            return EXIT_CODES.get(type(error), 1)
        report = runtime.engine.opened.report
        logger.info("recovered: case %s, %s", report.case.letter, report.case.meaning)
        outlet.say_hello()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        runtime.script_watch.receive = inbox.take_all
        try:
            _serve(runtime, inbox)
            if is_gone(self._channel):
                logger.warning("the supervisor is gone: what was accepted is committed, no more")
                runtime.leave()
                # Not by way of the index, which would write what it has in memory.
                os._exit(0)
        finally:
            runtime.close()
        return 0

    def _ends(self, incoming: Incoming, count: int) -> tuple[Inbox, Outlet]:
        """Of the channels of `count` network processes."""
        if self._entrance is None:
            _set_receive_timeout(self._channel, _TICK_S)
            return SoleInbox(incoming), SoleOutlet(self._channel)
        outlet = SharedOutlet(self._channel, count)
        return SharedInbox(incoming, Doorway(self._entrance, count), outlet), outlet


def _serve(runtime: StorageRuntime, inbox: Inbox) -> None:
    silence = runtime.network_silence
    inbox.on_urgent = runtime.answer
    while inbox.wait() is not None:
        if inbox.is_silent:
            silence.idle(monotonic_ns())
        elif silence.since_ns:
            silence.heard(monotonic_ns())
        request = inbox.take()
        if request is not None:
            runtime.handle(request)
        runtime.tick()


def _set_receive_timeout(channel: socket.socket, seconds: float) -> None:
    """One system call a receive, unlike `settimeout`, which polls first."""
    whole = int(seconds)
    packed = struct.pack("@ll", whole, int((seconds - whole) * 1e6))
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, packed)


def main(arguments: list[str]) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    channels = [socket.socket(fileno=int(descriptor)) for descriptor in arguments]
    channels[0].setblocking(True)
    return StorageProcess(*channels).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
