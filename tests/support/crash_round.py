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
import subprocess
import sys
from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from kiwi_engine import clock
from kiwi_engine.failpoints import NAMES, VARIABLE
from kiwi_engine.testing.oracle import Stream
from tests.support.client import Client, ErrorReply
from tests.support.crash_client import CrashClient, ReadBackError, SharedCounter, read_back
from tests.support.servers import ROOT, ServerFailedError, kiwi, wait_until
from tests.support.workload import SHARED_COUNTER, VALUE_THRESHOLD, Workload

Victim = Literal["all", "storage"]

# Where a round may crash; "" is a kill by timer.
CRASHES: Final = ("", *sorted(NAMES))
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
# In so many rounds the server is stopped gracefully and started before the load.
GRACEFUL_RESTART_SHARE: Final = 0.1
# In so many rounds the directory of a killed server is verified before it is opened again.
INSPECTED_SHARE: Final = 0.25
RECOVER_CLEAN: Final = 0
RECOVER_TORN: Final = 1
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
    def by_timer(self) -> bool:
        """No failpoint, or one in the recovery that follows a crash by timer."""
        return self.failpoint in ("", "recovery")

    def describe(self) -> str:
        if not self.failpoint:
            return "killed by timer"
        return f"failpoint {self.failpoint}" + ("" if self.reached else " not reached, timer")


class CrashTest:
    """Rounds on one data directory; `victim` says what is killed."""

    def __init__(
        self,
        directory: Path,
        *,
        seed: int,
        victim: Victim,
        clients: int,
        settings: Mapping[str, str | int] = MappingProxyType({}),
    ) -> None:
        self.directory = directory
        self.seed = seed
        self.victim = victim
        self.refusals: Tally[str] = Tally()
        self._counter = SharedCounter()
        self._markers = {name: directory / f"failpoint-{name}" for name in NAMES}
        failpoints = ",".join(f"{name}:1:{path}" for name, path in self._markers.items())
        self._server = kiwi(
            directory / "data",
            {**TINY_LIMITS, **settings},
            environment={VARIABLE: failpoints},
        )
        self._clients = [self._make_client(number) for number in range(clients)]

    @property
    def acknowledged_count(self) -> int:
        """Writes that were acknowledged so far."""
        return sum(client.acknowledged_count for client in self._clients)

    def run_round(self, number: int) -> Round:
        """Load, crash, recover and compare once."""
        rng = random.Random(f"{self.seed}:{number}")
        result = Round(number, _choose_crash(self.seed, number))
        try:
            self._start(gracefully=rng.random() < GRACEFUL_RESTART_SHARE)
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

    def _arm(self, failpoint: str) -> None:
        """Let `failpoint` fire at its next pass."""
        self._markers[failpoint].unlink(missing_ok=True)

    def _disarm(self) -> None:
        for marker in self._markers.values():
            marker.touch()

    def _start(self, *, gracefully: bool = False) -> None:
        """Have the server running; stop it in an orderly way before if asked to."""
        if self._server.process is not None and gracefully:
            self._server.stop()
        if self._server.process is None:
            self._disarm()
            self._server.start()

    def _crash_everything(self, rng: random.Random, result: Round) -> None:
        self._start_clients()
        self._wait_for_crash(rng, result)
        self._server.kill()
        self._finish_clients(result)
        if rng.random() < INSPECTED_SHARE:
            self._inspect(result)
        if result.failpoint == "recovery":
            self._recover_twice(result)
        self._start()

    def _inspect(self, result: Round) -> None:
        """`kiwi-engine recover --verify` must find a crash, at most with a torn tail."""
        words = [sys.executable, "-m", "kiwi_engine", "recover", "--verify"]
        words.append(str(self._server.directory))
        found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        if found.returncode not in (RECOVER_CLEAN, RECOVER_TORN):
            result.violations.append(
                f"recover --verify ended with {found.returncode}: {found.stdout}{found.stderr}"
            )

    def _recover_twice(self, result: Round) -> None:
        """A crash in the middle of the recovery, for which the storage process is started."""
        self._arm("recovery")
        try:
            self._server.start()
        except ServerFailedError:
            self._server.kill()
        result.reached = self._markers["recovery"].exists()

    def _crash_storage(self, rng: random.Random, result: Round) -> None:
        """Two crashes under the same connections: the round's own, then one by timer."""
        with self._server.client() as control:
            storage_process_id = _storage_process_id(control)
            self._start_clients()
            self._wait_for_crash(rng, result)
            if result.failpoint == "recovery":
                self._arm("recovery")
            _kill(storage_process_id)
            storage_process_id = self._wait_for_recovery(control, storage_process_id)
            if result.failpoint == "recovery":
                result.reached = self._markers["recovery"].exists()
            self._disarm()
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
        """Let the clients work for a while, then until the failpoint is reached."""
        clock.sleep(rng.uniform(*LOAD_SECONDS))
        if result.by_timer:
            return
        self._arm(result.failpoint)
        marker = self._markers[result.failpoint]
        deadline_ns = clock.monotonic_ns() + int(FAILPOINT_TIMEOUT_SECONDS * 1e9)
        while not result.reached and clock.monotonic_ns() < deadline_ns:
            result.reached = marker.exists()
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


def _choose_crash(seed: int, number: int) -> str:
    """All kinds of crash in turn, in a new order each time."""
    cycle, place = divmod(number - 1, len(CRASHES))
    return random.Random(f"{seed}:order:{cycle}").sample(CRASHES, len(CRASHES))[place]


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
