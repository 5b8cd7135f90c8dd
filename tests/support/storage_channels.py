"""A storage process with several channels, driven by hand (shell)."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from kiwi_engine.channel.doorway import doorway_pair, hand_over
from kiwi_engine.channel.events import EVENT_RUN, Event, StorageBegan, decode_event
from kiwi_engine.channel.frame_buffer import FrameBuffer
from kiwi_engine.channel.frames import LENGTH, Query, Request, Run, decode_reply, encode_frame
from kiwi_engine.channel.numbering import Numbering
from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.settings import Settings

_PATIENCE_S = 30.0
Kind = TypeVar("Kind", bound=Event)
# As the lifecycle has them.
_REPLY_SOCKET_BYTES = 4 * 1024 * 1024


def _words(line: str) -> list[str]:
    """A shell's parser is slow with long words."""
    return shlex.split(line) if '"' in line else line.split()


class Channel:
    """The network process at one end; it reads only when it waits for something.

    `replies` are by run; `frames` counts all that came. Connections are counted from 0: the same
    number stands for different connections of different processes.
    """

    def __init__(self, numbering: Numbering, near: socket.socket) -> None:
        self._numbering = numbering
        self.socket = near
        near.settimeout(_PATIENCE_S)
        self._buffer = FrameBuffer()
        self._run_id = self._query_id = numbering.first - numbering.count
        self.replies: dict[int, bytes] = {}
        self.answers: dict[int, tuple[str, Any]] = {}
        self.events: list[Event] = []
        self.frames = 0
        # Which storage process has said hello.
        self.storage = 0

    def source(self, connection: int = 0) -> int:
        """The number of a connection."""
        return self._numbering.first + connection * self._numbering.count

    def send(self, *lines: str, connection: int = 0, flags: int = 0) -> int:
        """Send a run of commands, each a line as for a shell; its number."""
        self._run_id += self._numbering.count
        commands = [[word.encode() for word in _words(line)] for line in lines]
        run = Run(self._run_id, 0, 0, False, commands, self.source(connection), flags)
        run.arrived_ns = monotonic_ns()
        self.socket.sendall(encode_frame(Request([run], [])))
        return self._run_id

    def ask(self, *lines: str, connection: int = 0, flags: int = 0) -> bytes:
        """Send a run and wait for its reply."""
        return self.reply(self.send(*lines, connection=connection, flags=flags))

    def reply(self, run_id: int) -> bytes:
        """The reply to a run, once it is there."""
        while run_id not in self.replies:
            self.receive()
        return self.replies[run_id]

    def order(self, method: str, *, is_urgent: bool = False, **parameters: Any) -> int:
        """Send a query; its number."""
        self._query_id += self._numbering.count
        queries = [Query(self._query_id, method, parameters)]
        request = Request([], [], [], queries) if is_urgent else Request([], queries)
        self.socket.sendall(encode_frame(request))
        return self._query_id

    def query(self, method: str, *, is_urgent: bool = False, **parameters: Any) -> Any:
        """The result of a query."""
        identity = self.order(method, is_urgent=is_urgent, **parameters)
        while identity not in self.answers:
            self.receive()
        error, result = self.answers[identity]
        assert not error, error
        return result

    def leave(self, connection: int) -> None:
        """A connection ends."""
        self.socket.sendall(encode_frame(Request([], [], [self.source(connection)])))

    def event(self, kind: type[Kind]) -> Kind:
        """The next event of a kind, once it is there; those before it are left out."""
        while True:
            while not self.events:
                self.receive()
            event = self.events.pop(0)
            if isinstance(event, kind):
                return event

    def wait_for_hello(self) -> None:
        """The storage runtime is ready."""
        while not self.frames:
            self.receive()

    def _hear(self, event: Event) -> None:
        if isinstance(event, StorageBegan):
            self.storage = event.identity
        else:
            self.events.append(event)

    def receive(self) -> None:
        """Take what comes next; `EOFError` at the end of the channel."""
        with self._buffer.writable() as view:
            count = self.socket.recv_into(view)
        if not count:
            raise EOFError("the channel has ended")
        self._buffer.wrote(count)
        for body in self._buffer.frames():
            self.frames += 1
            message = decode_reply(body)
            for run_id, blob in message.replies:
                if run_id == EVENT_RUN:
                    self._hear(decode_event(blob))
                else:
                    assert self._numbering.owns(run_id), "the reply of another process"
                    assert run_id not in self.replies, "one reply a run"
                    self.replies[run_id] = blob
            for query_id, error, result in message.answers:
                assert self._numbering.owns(query_id), "the answer of another process"
                self.answers[query_id] = error, result


class StorageChannels:
    """A storage process, the supervisor's channel and the doorway to it."""

    def __init__(self, settings: Settings) -> None:
        self._count = settings.network_threads
        near, far = _channel_pair()
        self.doorway, far_doorway = doorway_pair()
        arguments = [str(far.fileno()), str(far_doorway.fileno())]
        with far, far_doorway:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kiwi_engine.server.storage.process", *arguments],
                stdin=subprocess.DEVNULL,
                pass_fds=[far.fileno(), far_doorway.fileno()],
            )
        encoded = msgspec.msgpack.encode(settings)
        near.sendall(LENGTH.pack(len(encoded)) + encoded)
        self.primary = Channel(Numbering(0, self._count), near)

    def connect(self, number: int, generation: int = 0) -> Channel:
        """Hand over a channel, and have its other end; it is not ready yet."""
        near, far = _channel_pair()
        with far:
            hand_over(self.doorway, number, far)
        return Channel(Numbering(number, self._count, generation), near)

    def stop(self) -> int:
        """The exit code of an orderly stop."""
        self.primary.socket.shutdown(socket.SHUT_WR)
        return self.process.wait(_PATIENCE_S)

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(_PATIENCE_S)


def _channel_pair() -> tuple[socket.socket, socket.socket]:
    near, far = socket.socketpair()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _REPLY_SOCKET_BYTES)
    return near, far


@contextmanager
def storage_channels(directory: Path, count: int, **changes: Any) -> Iterator[StorageChannels]:
    """A storage process that ends with the context, in whatever state it is."""
    settings = msgspec.structs.replace(
        Settings(),
        dir=str(directory),
        wal_segment_size=1 << 20,
        disk_reserve=0,
        network_threads=count,
        loglevel="warning",
        logfile=os.devnull,
        **changes,
    )
    world = StorageChannels(settings)
    try:
        yield world
    finally:
        world.kill()
        world.doorway.close()
        world.primary.socket.close()
