"""A worker as a process, with its primary and its storage process played by hand."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiwi_engine.channel.doorway import doorway_pair, hand_over
from kiwi_engine.channel.frame_buffer import FrameBuffer
from kiwi_engine.channel.frames import Reply, decode_request, encode_frame
from kiwi_engine.channel.numbering import Numbering, owner_of
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.network.client_counts import ClientCounts
from kiwi_engine.server.network.peers.messages import (
    Answer,
    Ask,
    Message,
    Tell,
    decode_messages,
    encode_messages,
)
from kiwi_engine.server.network.worker_start import WorkerStart, encode_start
from tests.support.client import Client
from tests.support.ports import free_port
from tests.support.servers import ROOT

COUNT = 2
NUMBER = 1
TIMEOUT_S = 30


class Frames:
    """Whole frames of a blocking socket."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source
        self._buffer = FrameBuffer()
        self._bodies: list[bytes] = []

    def next(self) -> bytes:
        while not self._bodies:
            with self._buffer.writable() as view:
                count = self._source.recv_into(view)
            assert count, "the worker has closed it"
            self._buffer.wrote(count)
            self._bodies += [bytes(body) for body in self._buffer.frames()]
        return self._bodies.pop(0)


class Primary:
    """The primary's ends of a worker's link and doorway, and its process."""

    def __init__(self) -> None:
        self.port = free_port()
        self.counts = ClientCounts.of_primary(COUNT)
        self.link, far_link = socket.socketpair()
        self.doorway, far_doorway = doorway_pair()
        self.link.settimeout(TIMEOUT_S)
        self._frames = Frames(self.link)
        self._messages: list[Message] = []
        with far_link, far_doorway:
            descriptors = [far_link.fileno(), far_doorway.fileno(), self.counts.descriptor]
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "kiwi_engine.server.network.process",
                    *map(str, descriptors),
                ],
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=ROOT,
            )

    def start(self, directory: Path) -> None:
        settings = Settings(
            dir=str(directory), network_threads=COUNT, port=self.port, bind=("127.0.0.1",)
        )
        start = WorkerStart(
            number=NUMBER,
            generation=3,
            settings=settings,
            users=b"user default on nopass ~* &* +@all\nuser eve off resetchannels -@all\n",
            config_file="",
            run_id="0" * 40,
            process_id=os.getpid(),
            started_ns=0,
        )
        self.link.sendall(encode_start(start))

    def ask(self, identity: int, method: str, parameters: Any = None) -> Any:
        """What the worker answers; what it tells meanwhile is passed over."""
        self.link.sendall(encode_messages([Ask(identity, method, parameters)]))
        while True:
            message = self.next()
            if isinstance(message, Answer) and message.id == identity:
                assert not message.error
                return message.result

    def next(self) -> Message:
        while not self._messages:
            self._messages = decode_messages(self._frames.next())
        return self._messages.pop(0)

    def wait_for_hello(self) -> None:
        while True:
            message = self.next()
            if isinstance(message, Tell) and message.method == "hello":
                assert message.parameters == NUMBER
                return

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(TIMEOUT_S)
        self.link.close()
        self.doorway.close()
        os.close(self.counts.descriptor)


@pytest.fixture
def primary() -> Iterator[Primary]:
    made = Primary()
    yield made
    made.end()


def test_a_primary_that_dies_first_thing(primary: Primary) -> None:
    primary.link.close()
    assert primary.process.wait(TIMEOUT_S) == 1


def test_a_life_from_hello_to_stop(primary: Primary, tmp_path: Path) -> None:
    primary.start(tmp_path)
    primary.wait_for_hello()
    primary.process.send_signal(signal.SIGTERM)
    primary.process.send_signal(signal.SIGINT)
    assert primary.ask(1, "ping") is None
    primary.ask(2, "serve")
    near, far = socket.socketpair()
    far.settimeout(TIMEOUT_S)
    with far:
        with near:
            hand_over(primary.doorway, NUMBER, near)
        far.sendall(encode_frame(Reply([], [])))
        with Client(primary.port) as client:
            assert owner_of(client.command("CLIENT", "ID"), COUNT) == NUMBER
            assert client.command("ACL", "USERS") == [b"default", b"eve"]
            assert primary.counts.of(NUMBER) == 1
            client.send(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n")
            run_id = run_of(Frames(far))
            assert run_id >= Numbering(NUMBER, COUNT, generation=3).first
            assert owner_of(run_id, COUNT) == NUMBER
            far.sendall(encode_frame(Reply([(run_id, b"$1\r\nx\r\n")], [])))
            assert client.reply() == b"x"
            assert primary.ask(3, "stop", 1) == 0
            assert client.read_until_closed() == b""
    assert primary.process.wait(TIMEOUT_S) == 0


def run_of(frames: Frames) -> int:
    """The number of the first run that comes."""
    while True:
        for run in decode_request(frames.next()).runs:
            return run.id


def test_one_whose_primary_dies_ends_at_once(primary: Primary, tmp_path: Path) -> None:
    primary.start(tmp_path)
    primary.wait_for_hello()
    primary.link.close()
    assert primary.process.wait(5) == 1
