"""One round of a crash test: start, load, kill, start again, compare (glue).

A `CrashTest` owns a data directory and the oracles of its clients over all rounds. A round is
decided by its own random generator, seeded with the test's seed and the round's number, so what is
sent and where the crash is asked for can be replayed; which requests are under way when it happens
depends on the machine.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections import Counter as Tally
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from kiwi_engine import clock
from kiwi_engine.testing.oracle import Stream
from tests.support.client import Client, ErrorReply
from tests.support.crash_client import CrashClient, ReadBackError, SharedCounter, read_back
from tests.support.servers import ServerFailedError, kiwi, wait_until
from tests.support.workload import SHARED_COUNTER, VALUE_THRESHOLD, Workload

Victim = Literal["all", "storage"]

# Failpoint and the largest pass at which a round may ask for it; "" is a kill by timer.
FAILPOINTS: Final = {
    "": 0,
    "before-reply": 200,
    "drain": 10,
    "index-flush": 2,
    "recovery": 1,
    "segment-rotate": 6,
    "vlog-append": 100,
    "wal-append": 200,
    "wal-sync": 200,
}
# So small that every round rotates segments, drains and flushes several times.
TINY_LIMITS: Final[dict[str, str | int]] = {
    "value-threshold": VALUE_THRESHOLD,
    "wal-segment-size": 65_536,
    "value-log-segment-size": 262_144,
    "wal-retained-max": 131_072,
    "drain-max-entries": 200,
    "drain-max-bytes": 65_536,
    "drain-interval": 50,
    "rocksdb-write-buffer-size": 65_536,
}
LOAD_SECONDS: Final = (0.2, 0.8)
FAILPOINT_TIMEOUT_SECONDS: Final = 4.0
RECOVERY_TIMEOUT_SECONDS: Final = 30.0
# Bursts that every client must complete after a storage crash before the next one.
_BURSTS_BETWEEN_CRASHES: Final = 2
_POLL_SECONDS: Final = 0.002


@dataclass(slots=True)
class Round:
    """What one round was meant to do and what it found."""

    number: int
    failpoint: str
    reached: bool = False
    violations: list[str] = field(default_factory=list)

    @property
    def in_recovery(self) -> bool:
        """The failpoint lies in the recovery after a crash by timer."""
        return self.failpoint.startswith("recovery:")

    def describe(self) -> str:
        if not self.failpoint:
            return "killed by timer"
        return f"failpoint {self.failpoint}" + ("" if self.reached else " not reached, timer")


class CrashTest:
    """Rounds on one data directory; `victim` says what is killed."""

    def __init__(self, directory: Path, *, seed: int, victim: Victim, clients: int) -> None:
        self.directory = directory
        self.seed = seed
        self.victim = victim
        self.refusals: Tally[str] = Tally()
        self._counter = SharedCounter()
        self._server = kiwi(directory / "data", TINY_LIMITS)
        self._clients = [self._make_client(number) for number in range(clients)]
        self._marker = directory / "failpoint-reached"

    @property
    def acknowledged_count(self) -> int:
        """Writes that were acknowledged so far."""
        return sum(client.acknowledged_count for client in self._clients)

    def run_round(self, number: int) -> Round:
        """Load, crash, recover and compare once."""
        rng = random.Random(f"{self.seed}:{number}")
        result = Round(number, _choose_failpoint(rng))
        self._server.environment = {}
        if result.failpoint:
            self._server.environment["KIWI_FAILPOINT"] = f"{result.failpoint}:{self._marker}"
        try:
            self._arm(bool(result.failpoint) and not result.in_recovery)
            self._start()
            if self.victim == "all":
                self._crash_everything(rng, result)
            else:
                self._crash_storage(rng, result)
            self._finish_clients(result)
            self._compare(result)
        except (ServerFailedError, ReadBackError, OSError) as error:
            result.violations.append(f"round {number}: {type(error).__name__}: {error}")
        finally:
            self._finish_clients(result)
        return result

    def close(self) -> list[str]:
        """Stop the server gracefully; anything but a clean exit is a violation."""
        code = self._server.stop()
        return [] if code == 0 else [f"the graceful stop ended with {code}"]

    def kill(self) -> None:
        """Leave no process behind, whatever happened."""
        self._server.kill()

    def _make_client(self, number: int) -> CrashClient:
        stream = Stream(f"c{number}")
        workload = Workload(random.Random(f"{self.seed}:client:{number}"), stream)
        may_disconnect = self.victim == "all"
        return CrashClient(workload, stream, self._counter, may_disconnect=may_disconnect)

    def _arm(self, armed: bool) -> None:
        """A failpoint fires while its marker does not exist, and makes it."""
        if armed:
            self._marker.unlink(missing_ok=True)
        else:
            self._marker.touch()

    def _start(self) -> None:
        """Start the server; once more if a failpoint ended it before it was ready."""
        if self._server.process is not None:
            self._server.stop()
        try:
            self._server.start()
        except ServerFailedError:
            if not self._marker.exists():
                raise
            self._server.kill()
            self._server.start()

    def _crash_everything(self, rng: random.Random, result: Round) -> None:
        self._start_clients()
        self._wait_for_crash(rng, result)
        self._arm(result.in_recovery)
        self._server.kill()
        self._finish_clients(result)
        self._start()
        result.reached |= result.in_recovery and self._marker.exists()

    def _crash_storage(self, rng: random.Random, result: Round) -> None:
        """Two crashes under the same connections: the round's own, then one by timer."""
        with self._server.client() as control:
            storage_process_id = _storage_process_id(control)
            self._start_clients()
            self._wait_for_crash(rng, result)
            self._arm(result.in_recovery)
            _kill(storage_process_id)
            storage_process_id = self._wait_for_recovery(control, storage_process_id)
            result.reached |= result.in_recovery and self._marker.exists()
            clock.sleep(rng.uniform(*LOAD_SECONDS))
            _kill(storage_process_id)
            self._wait_for_recovery(control, storage_process_id)

    def _start_clients(self) -> None:
        for client in self._clients:
            client.start(self._server.port)

    def _finish_clients(self, result: Round) -> None:
        for client in self._clients:
            client.finish()
            result.violations += client.violations
            client.violations.clear()
            self.refusals += client.refusals
            client.refusals.clear()

    def _wait_for_crash(self, rng: random.Random, result: Round) -> None:
        """Let the clients work until the failpoint was reached, or the moment has come."""
        by_timer = not result.failpoint or result.in_recovery
        seconds = rng.uniform(*LOAD_SECONDS) if by_timer else FAILPOINT_TIMEOUT_SECONDS
        deadline_ns = clock.monotonic_ns() + int(seconds * 1e9)
        while clock.monotonic_ns() < deadline_ns:
            if not by_timer and self._marker.exists():
                result.reached = True
                return
            clock.sleep(_POLL_SECONDS)

    def _wait_for_recovery(self, control: Client, dead_process_id: int) -> int:
        """Wait for another storage process and for every client to be served by it."""
        wait_until(
            lambda: _storage_process_id(control) not in (0, dead_process_id),
            "a new storage process",
            RECOVERY_TIMEOUT_SECONDS,
        )
        goals = [client.bursts_done + _BURSTS_BETWEEN_CRASHES for client in self._clients]
        wait_until(
            lambda: all(
                client.bursts_done >= goal or not client.running
                for client, goal in zip(self._clients, goals, strict=True)
            ),
            "all clients to be served again",
            RECOVERY_TIMEOUT_SECONDS,
        )
        return _storage_process_id(control)

    def _compare(self, result: Round) -> None:
        """Read everything back and ask the oracles."""
        with self._server.client() as client:
            present = 0
            for stream in (item.stream for item in self._clients):
                observed = read_back(client, sorted(stream.keys()))
                result.violations += stream.settle(observed)
                present += sum(value is not None for value in observed.values())
            shared = read_back(client, [SHARED_COUNTER])[SHARED_COUNTER]
            result.violations += self._counter.settle(int(shared or 0))
            present += shared is not None
            if (size := client.command("DBSIZE")) != present:
                result.violations.append(f"DBSIZE says {size}, {present} keys can be read")


def _choose_failpoint(rng: random.Random) -> str:
    name = rng.choice([*FAILPOINTS, ""])
    return f"{name}:{rng.randint(1, FAILPOINTS[name])}" if name else ""


def _kill(process_id: int) -> None:
    """SIGKILL, unless a failpoint was faster."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGKILL)


def _storage_process_id(control: Client) -> int:
    """From INFO; 0 while there is none."""
    reply = control.command("INFO", "server")
    if isinstance(reply, ErrorReply):
        return 0
    fields = dict(line.split(b":", 1) for line in reply.split(b"\r\n") if b":" in line)
    return int(fields.get(b"storage_process_id", 0))
