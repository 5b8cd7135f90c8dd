"""A log and a value log that note what they are asked for, and fail or wait when told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from kiwi_engine.clock import monotonic_ns, sleep
from kiwi_engine.commit.changes import decode_changes
from kiwi_engine.commit.group import Entry, Group, PendingReply
from kiwi_engine.commit.pipeline import Pipeline, SyncMode
from kiwi_engine.commit.policy import BatchLimits
from kiwi_engine.errors import ReplyError
from kiwi_engine.vlog.format import Pointer
from kiwi_engine.vlog.separated import LargeValue

UNLIMITED = BatchLimits(1_000_000, 1 << 40, 0)
WAIT_SECONDS_MAX = 20


class Recorder:
    """The order of events over all fakes. `gate` holds the log thread in each sync of the log.

    `errors` are raised, one each time, by the event of that name.
    """

    def __init__(self) -> None:
        self.events: list[object] = []
        self.gate = threading.Event()
        self.gate.set()
        self.errors: dict[str, list[BaseException]] = {}
        self.delivered: list[tuple[int, ReplyError | None]] = []
        self.payloads: dict[int, dict[bytes, Entry]] = {}
        self.next_lsn = 1

    def note(self, event: str, detail: object = "") -> None:
        self.events.append((event, detail) if detail != "" else event)
        if self.errors.get(event):
            raise self.errors[event].pop(0)

    def deliver(self, replies: list[PendingReply], error: ReplyError | None) -> None:
        self.note("reply", tuple(run for run, _, _ in replies))
        self.delivered += [(run, error) for run, _, _ in replies]


class FakeLog:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    @property
    def next_lsn(self) -> int:
        return self._recorder.next_lsn

    def append(self, payload: bytes) -> int:
        recorder = self._recorder
        recorder.note("append", recorder.next_lsn)
        lsn = recorder.next_lsn
        recorder.payloads[lsn] = decode_changes(payload).entries
        recorder.next_lsn += 1
        return lsn

    def sync(self) -> None:
        self._recorder.note("begin sync")
        assert self._recorder.gate.wait(WAIT_SECONDS_MAX)
        self._recorder.note("sync")


class FakeValues:
    dirty = False

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def append(self, entries: Sequence[tuple[bytes, bytes]], lsn: int) -> list[Pointer]:
        self._recorder.note("values", tuple(key for key, _ in entries))
        return [Pointer(1, 20 + n, 60, len(value)) for n, (_, value) in enumerate(entries)]

    def sync(self) -> None:
        self._recorder.note("sync values")


@contextmanager
def running(
    recorder: Recorder,
    limits: BatchLimits = UNLIMITED,
    mode: SyncMode = "always",
    kind: type[Pipeline] = Pipeline,
) -> Iterator[Pipeline]:
    """A pipeline with its thread; whatever happens, the thread ends."""
    pipeline = kind(FakeLog(recorder), FakeValues(recorder), limits, mode, recorder.deliver)
    pipeline.start()
    try:
        yield pipeline
    finally:
        recorder.gate.set()
        if pipeline._thread.is_alive():
            pipeline.close()


def group(run: int, *, key: bytes = b"k", value: bytes | None = b"v", requests: int = 1) -> Group:
    """A group with one change and one reply."""
    filled = Group(monotonic_ns())
    filled.changes[key] = value
    filled.replies.append((run, b"+OK\r\n", requests))
    filled.requests = requests
    filled.bytes = len(key) + len(value or b"")
    return filled


def large_group(run: int, *keys: bytes) -> Group:
    filled = Group(monotonic_ns())
    for key in keys:
        large = LargeValue(b"large value of " + key)
        filled.changes[key] = large
        filled.large.append((key, large))
    filled.replies.append((run, b"+OK\r\n", 1))
    filled.requests = 1
    return filled


def wait_until(condition: Callable[[], object]) -> None:
    """Poll for something that another thread is about to do."""
    deadline_ns = monotonic_ns() + WAIT_SECONDS_MAX * 1_000_000_000
    while not condition():
        assert monotonic_ns() < deadline_ns, "it never happened"
        sleep(0.001)
