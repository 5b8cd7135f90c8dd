"""One client of a crash test: sends a workload and judges every answer (shell, one thread each).

A reply `-UNKNOWN ...` leaves its write in doubt; any other error reply to a write says that it was
not executed. Where connections must survive, the client reads back what is in doubt before it goes
on, so that no doubt spans two crashes.
"""

from __future__ import annotations

import threading
from collections import Counter as Tally
from queue import Queue
from typing import Any

from kiwi_engine.testing.oracle import Counter, Passage, Stream
from tests.support.client import Client, ErrorReply
from tests.support.read_back import REFUSALS, ReadBackError, read_back
from tests.support.workload import Request, Workload


class SharedCounter:
    """The oracle of the shared INCR key behind a lock."""

    def __init__(self) -> None:
        self._counter = Counter("shared counter")
        self._lock = threading.Lock()

    def submit(self) -> None:
        with self._lock:
            self._counter.submit()

    def refuse(self) -> None:
        with self._lock:
            self._counter.refuse()

    def acknowledge(self, number: int) -> list[str]:
        with self._lock:
            return self._counter.acknowledge(number)

    def settle(self, value: int) -> list[str]:
        with self._lock:
            return self._counter.settle(value)

    def bounds(self) -> tuple[int, int]:
        """The least and the most that the counter can be now."""
        with self._lock:
            return self._counter.bounds()


class CrashClient:
    """Call `start`, and `finish` after the crash; then judge `stream` by what is read back."""

    def __init__(
        self, workload: Workload, stream: Stream, counter: SharedCounter, *, may_disconnect: bool
    ) -> None:
        self.stream = stream
        self.violations: list[str] = []
        self.refusals: Tally[str] = Tally()
        self.acknowledged_count = 0
        self.bursts_done = 0
        self._workload = workload
        self._counter = counter
        self._may_disconnect = may_disconnect
        self._stopping = threading.Event()
        # Where whoever makes a backup waits for a passage.
        self._passages: Queue[Passage] | None = None
        self._thread: threading.Thread | None = None

    def start(self, port: int) -> None:
        """Connect and begin."""
        assert self._thread is None, "finish the previous run first"
        self._stopping.clear()
        client = Client(port)
        self._thread = threading.Thread(target=self._run, args=(client,), name=self.stream.name)
        self._thread.start()

    def finish(self) -> None:
        """Let the burst in progress end, then disconnect."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def follow(self, passages: Queue[Passage]) -> None:
        """Put a passage that begins soon into `passages`; ends with `stream.unfollow`."""
        self._passages = passages

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self, client: Client) -> None:
        try:
            with client:
                while not self._stopping.is_set():
                    self._follow_if_asked()
                    self._burst(client)
                    self._settle_doubts(client)
                    self.bursts_done += 1
        except TimeoutError:
            self._violation("a request was never answered")
        except ReadBackError as error:
            self._violation(str(error))
        except OSError as error:
            if not self._may_disconnect:
                self._violation(f"the connection was lost: {error}")

    def _follow_if_asked(self) -> None:
        """Between two bursts, when everything is answered and nothing in doubt."""
        passages, self._passages = self._passages, None
        if passages is not None:
            passages.put(self.stream.follow())

    def _burst(self, client: Client) -> None:
        requests = self._workload.burst()
        for request in requests:
            if request.kind == "shared-counter":
                self._counter.submit()
        client.send(b"".join(request.data for request in requests))
        all_executed = True
        for request in requests:
            for prelude in request.preludes:
                if (heard := client.reply()) != prelude:
                    self._violation(f"{request.kind}: {heard!r:.80} instead of {prelude!r}")
            all_executed &= self._judge(request, client.reply(), all_executed)
        # Exactly one reply each: the next one must be this token's.
        token = f"{self.stream.name} end of burst {self.bursts_done}"
        if (reply := client.command("ECHO", token)) != token.encode():
            self._violation(f"more replies than requests: {reply!r:.80}")

    def _judge(self, request: Request, reply: Any, all_executed: bool) -> bool:
        """Note what `reply` says of `request`; whether it was executed for sure."""
        if isinstance(reply, ErrorReply):
            self._note_refusal(request, str(reply))
            return False
        if request.kind == "shared-counter":
            self.acknowledged_count += 1
            self.violations += self._counter.acknowledge(reply)
            return True
        if request.write is not None:
            self.acknowledged_count += 1
            self.stream.acknowledge(request.write)
        # What a request finds is only certain while everything before it was executed.
        if reply != request.expected and (all_executed or request.kind in ("set", "pair", "echo")):
            self._violation(f"{request.kind}: expected {request.expected!r:.80}, got {reply!r:.80}")
        return True

    def _note_refusal(self, request: Request, text: str) -> None:
        prefix = text.split(" ", 1)[0]
        self.refusals[prefix] += 1
        if prefix not in (*REFUSALS, *request.refusals):
            self._violation(f"{request.kind}: unexpected error: {text}")
        if prefix == "UNKNOWN":
            return
        if request.write is not None:
            self.stream.refuse(request.write)
        elif request.kind == "shared-counter":
            self._counter.refuse()

    def _settle_doubts(self, client: Client) -> None:
        if keys := sorted(self.stream.keys_in_doubt()):
            self.violations += self.stream.settle(read_back(client, keys))

    def _violation(self, text: str) -> None:
        self.violations.append(f"{self.stream.name}: {text}")
