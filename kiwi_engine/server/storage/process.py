"""The storage runtime as a process: `python -m kiwi_engine.server.storage.process FD` (shell).

FD is its end of the channel. The first frame holds the settings; after recovery it answers with a
hello (a reply without replies), then it serves until the channel ends: whatever was accepted is
committed, and the directory is closed. It ignores SIGINT, which a terminal sends to the whole
process group: the supervisor decides when to stop.

Exit codes: 0 closed, 1 failed, 2 wrong directory or settings, 3 directory in use, 4 damaged data.
"""

from __future__ import annotations

import gc
import logging
import signal
import socket
import struct
import sys
import threading
from typing import Final

import msgspec

from kiwi_engine.channel.frame_buffer import FrameBuffer
from kiwi_engine.channel.frames import ReceivedRequest, Reply, decode_request, encode_frame
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ArchiveError, CorruptionError, KiwiError, LayoutError, LockedError
from kiwi_engine.logs import setup_logging
from kiwi_engine.server.storage.runtime import Answer, StorageRuntime

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
    """Moves frames between the channel and the runtime."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._buffer = FrameBuffer()
        # The executing thread and the log thread both send.
        self._sending = threading.Lock()

    def run(self) -> int:
        """Serve until the peer closes the channel; returns the exit code."""
        settings = msgspec.msgpack.decode(self._first_frame(), type=Settings)
        setup_logging("storage", settings.loglevel, settings.logfile)
        try:
            runtime = StorageRuntime(settings, self._send)
        except (KiwiError, OSError) as error:
            logger.critical("cannot open %s: %s", settings.dir, error)
            return EXIT_CODES.get(type(error), 1)
        report = runtime.engine.opened.report
        logger.info("recovered: case %s, %s", report.case.letter, report.case.meaning)
        self._send([], [])
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        runtime.script_watch.receive = self._receive_at_once
        try:
            self._serve(runtime)
        finally:
            runtime.close()
        return 0

    def _first_frame(self) -> bytes:
        while True:
            if not self._receive():
                raise EOFError("the supervisor went away before it sent the settings")
            for body in self._buffer.frames():
                return bytes(body)

    def _serve(self, runtime: StorageRuntime) -> None:
        _set_receive_timeout(self._channel, _TICK_S)
        while True:
            try:
                if not self._receive():
                    return
            except BlockingIOError:
                runtime.tick()
                continue
            for body in self._buffer.frames():
                # A copy, since runs are decoded from it one by one.
                runtime.handle(decode_request(bytes(body)))
            runtime.tick()

    def _receive(self, flags: int = 0) -> bool:
        """Take what is there; False at the end of the channel."""
        with self._buffer.writable() as view:
            try:
                count = self._channel.recv_into(view, 0, flags)
            except ConnectionError:
                return False
        self._buffer.wrote(count)
        return count > 0

    def _receive_at_once(self) -> list[ReceivedRequest] | None:
        """What has arrived, without waiting; None at the end of the channel."""
        requests = [decode_request(bytes(body)) for body in self._buffer.frames()]
        try:
            if not self._receive(socket.MSG_DONTWAIT):
                return requests or None
        except BlockingIOError:
            return requests
        return requests + [decode_request(bytes(body)) for body in self._buffer.frames()]

    def _send(self, replies: list[tuple[int, bytes]], answers: list[Answer]) -> None:
        frame = encode_frame(Reply(replies, answers))
        try:
            with self._sending:
                self._channel.sendall(frame)
        except OSError:
            # The network runtime is gone; the end of the channel will be read next.
            logger.warning("%d replies have no one to go to", len(replies))


def _set_receive_timeout(channel: socket.socket, seconds: float) -> None:
    """One system call a receive, unlike `settimeout`, which polls first."""
    whole = int(seconds)
    packed = struct.pack("@ll", whole, int((seconds - whole) * 1e6))
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, packed)


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=int(arguments[0]))
    channel.setblocking(True)
    return StorageProcess(channel).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
