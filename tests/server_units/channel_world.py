"""A storage client whose link and storage runtime fail in all ways, with a clock of its own.

Everything follows from one seed. Each connection writes a key of its own, so that from the replies
alone it can be told what its commands may and may not have seen.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import msgspec
import pytest

from kiwi_engine.channel.frames import Request, Run
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.network.slots import ReplyLine, Slot
from kiwi_engine.server.network.storage_client import StorageClient, client

SECOND_NS = 1_000_000_000
LINES = 4
SETTINGS = msgspec.structs.replace(
    Settings(),
    channel_buffer_size=40,
    request_timeout=2000,
    retry_backoff=100,
    read_retries_max=1,
    breaker_failures=3,
    breaker_reset_timeout=500,
)


class Loop:
    """The part of an event loop that the client uses, under a clock that the test moves."""

    def __init__(self) -> None:
        self.now_ns = SECOND_NS
        self._soon: deque[Callable[[], None]] = deque()
        self._later: list[tuple[int, Callable[[], None]]] = []
        self._real = asyncio.new_event_loop()

    def call_soon(self, action: Callable[[], None]) -> None:
        self._soon.append(action)

    def call_later(self, seconds: float, action: Callable[[], None]) -> Any:
        entry = (self.now_ns + int(seconds * 1e9), action)
        self._later.append(entry)
        return _Timer(lambda: self._later.remove(entry) if entry in self._later else None)

    def create_future(self) -> asyncio.Future[Any]:
        return self._real.create_future()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` until it waits for something."""
        task = self._real.create_task(work)
        self._real.run_until_complete(asyncio.sleep(0))
        return task

    def run(self) -> None:
        """Everything that is due."""
        for entry in [entry for entry in self._later if entry[0] <= self.now_ns]:
            self._later.remove(entry)
            self._soon.append(entry[1])
        while self._soon:
            self._soon.popleft()()

    def close(self) -> None:
        self._real.run_until_complete(asyncio.sleep(0))
        self._real.close()


class _Timer:
    def __init__(self, cancel: Callable[[], Any]) -> None:
        self.cancel = cancel


class Storage:
    """One storage runtime: its frames, and the replies that have not left. Data outlive it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.frames: deque[Request] = deque()
        self.is_full = False
        self.is_cut_off = False
        self.on_drained: Callable[[], None] = lambda: None
        self.replies: list[tuple[int, bytes]] = []

    def send(self, request: Request) -> None:
        assert not self.is_full, "a full link takes nothing"
        assert sum(len(run.commands) for run in request.runs[:-1]) < 6, "frames are bounded"
        self.frames.append(request)
        if self.world.random.random() < self.world.cut_off_share:
            self.is_full = self.is_cut_off = True

    def take_rest(self) -> None:
        """The kernel takes the end of the last frame."""
        if self.is_cut_off:
            self.is_full = self.is_cut_off = False
            self.on_drained()

    def execute(self) -> None:
        """The oldest frame that has arrived as a whole."""
        if len(self.frames) > self.is_cut_off:
            for run in self.frames.popleft().runs:
                self._execute(run)

    def _execute(self, run: Run) -> None:
        replies = b""
        for words in run.commands:
            replies += self.world.execute(run.source, words)
        self.replies.append((run.id, replies))

    def answer(self) -> None:
        """All replies leave, as after a sync."""
        replies, self.replies = self.replies, []
        if replies:
            self.world.client.receive(replies, [])


class World:
    """`LINES` connections; what they sent, what was executed, and what they were told."""

    def __init__(self, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.random = Random(seed)
        self.loop = Loop()
        self.cut_off_share = self.random.choice((0.0, 0.2, 0.6))
        monkeypatch.setattr(client, "monotonic_ns", lambda: self.loop.now_ns)
        self.client = StorageClient(SETTINGS, self.loop, Random(seed))  # type: ignore[arg-type]
        self.client.outbox.frame_commands = 5
        self.storage: Storage | None = None
        self.written: list[list[bytes]] = [[] for _ in range(LINES)]
        self.lines = [ReplyLine(self.written[number].append, number + 1) for number in range(LINES)]
        # What each connection has sent: numbers of its writes, or None for a read.
        self.sent: list[list[int | None]] = [[] for _ in range(LINES)]
        self.executed: list[list[int]] = [[] for _ in range(LINES)]
        self._next_write = 1

    # ---- what happens

    def submit(self) -> None:
        line = self.random.randrange(LINES)
        commands = []
        for _ in range(self.random.randint(1, 3)):
            if self.random.random() < 0.5:
                commands.append([b"get", b"k"])
                self.sent[line].append(None)
            else:
                commands.append([b"set", b"k", b"%d" % self._next_write])
                self.sent[line].append(self._next_write)
                self._next_write += 1
        slot = Slot(self.lines[line], commands, size=10)
        slot.arrived_ns = self.loop.now_ns
        self.lines[line].append(slot)
        self.client.submit(slot, self.loop.now_ns)

    def execute(self, source: int, words: list[bytes]) -> bytes:
        done = self.executed[source - 1]
        if words[0] == b"set":
            done.append(int(words[2]))
            return b"+OK\r\n"
        return b":%d\r\n" % (done[-1] if done else 0)

    def start(self) -> None:
        if self.storage is None:
            self.storage = Storage(self)
            self.client.connect(self.storage)

    def die(self) -> None:
        """In the middle of anything: some of what arrived was executed, and not answered."""
        if self.storage is not None:
            for _ in range(self.random.randint(0, 2)):
                self.storage.execute()
            self.storage = None
            self.client.disconnect()

    def pass_time(self, nanoseconds: int) -> None:
        self.loop.now_ns += nanoseconds
        self.client.expire(self.loop.now_ns)

    def step(self) -> None:
        """Something happens."""
        storage = self.storage
        choice = self.random.random()
        if choice < 0.35:
            self.submit()
        elif choice < 0.55 and storage is not None:
            storage.execute()
        elif choice < 0.70 and storage is not None:
            storage.answer()
        elif choice < 0.78 and storage is not None:
            storage.take_rest()
        elif choice < 0.82:
            self.die()
        elif choice < 0.90:
            self.start()
        elif choice < 0.99:
            self.pass_time(self.random.randint(1, SECOND_NS // 5))
        else:
            self.pass_time(3 * SECOND_NS)
        if self.random.random() < 0.7:
            self.loop.run()

    def settle(self) -> None:
        """All is well from now on, until everything is answered."""
        self.start()
        self.cut_off_share = 0.0
        for turn in range(100):
            if turn == 50:
                # An open breaker needs a request to see that all is well.
                self.submit()
            self.loop.run()
            assert self.storage is not None
            self.storage.take_rest()
            while self.storage.frames:
                self.storage.execute()
            self.storage.answer()
            self.pass_time(SECOND_NS // 10)

    # ---- what must hold

    def problems(self) -> list[str]:
        """What a connection was told and may not have been."""
        found = []
        for number in range(LINES):
            replies = b"".join(self.written[number]).splitlines()
            found += judge(self.sent[number], replies, self.executed[number])
        return found


def judge(sent: list[int | None], replies: list[bytes], executed: list[int]) -> list[str]:
    """Compare what one connection sent, what it was answered, and which writes were made."""
    if len(sent) != len(replies):
        return [f"{len(sent)} commands have {len(replies)} replies"]
    found = []
    if executed != sorted(set(executed)):
        found.append(f"writes were made twice or out of order: {executed}")
    made = set(executed)
    acknowledged = 0
    for at, (write, reply) in enumerate(zip(sent, replies, strict=True)):
        if write is None:
            later = [each for each in sent[at + 1 :] if each is not None]
            value = int(reply[1:]) if reply.startswith(b":") else None
            if value is not None and value < acknowledged:
                found.append(f"read {at} shows {value}, but {acknowledged} was acknowledged")
            if value is not None and later and value >= later[0]:
                found.append(f"read {at} shows {value}, which is behind it")
            if value is None and not reply.startswith((b"-TIMEOUT", b"-LOADING", b"-ERR ")):
                found.append(f"read {at} was answered {reply!r}")
        elif reply == b"+OK":
            acknowledged = write
            if write not in made:
                found.append(f"write {write} was acknowledged and not made")
        elif reply.startswith((b"-TIMEOUT", b"-LOADING")):
            if write in made:
                found.append(f"write {write} was made: {reply!r}")
        elif not reply.startswith(b"-UNKNOWN"):
            found.append(f"write {write} was answered {reply!r}")
    return found
