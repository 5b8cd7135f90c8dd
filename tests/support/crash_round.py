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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from kiwi_engine import clock
from kiwi_engine.failpoints import NAMES, VARIABLE
from kiwi_engine.testing.oracle import Stream
from tests.support.backup_watch import BackupWatch, backup_has_ended
from tests.support.client import Client, ErrorReply
from tests.support.crash_client import CrashClient, SharedCounter
from tests.support.read_back import ReadBackError, key_count, read_back
from tests.support.restore_check import RESTORE_FAILPOINTS, RestoreCheck
from tests.support.servers import ROOT, ServerFailedError, ServerProcess, kiwi, wait_until
from tests.support.workload import SHARED_COUNTER, VALUE_THRESHOLD, Workload

Victim = Literal["all", "storage"]
# Ends a server that may have ended by itself.
Crash = Callable[[ServerProcess, random.Random], None]

# Where a round may crash; "" is a kill by timer. Restores have processes of their own.
CRASHES: Final = ("", *sorted(NAMES - set(RESTORE_FAILPOINTS)))
# So small that every round rotates segments, drains and flushes several times.
TINY_LIMITS: Final[dict[str, str | int]] = {
    "value-threshold": VALUE_THRESHOLD,
    "wal-segment-size": 65_536,
    "value-log-segment-size": 1_048_576,
    "wal-retained-max": 131_072,
    "drain-max-entries": 200,
    "drain-max-bytes": 65_536,
    "drain-interval": 50,
    "rocksdb-write-buffer-size": 65_536,
    "wal-archive-interval": 50,
}
# So small that collections change their form in front of every crash.
TINY_COLLECTIONS: Final[dict[str, str | int]] = {
    "packed-max-entries": 12,
    "packed-max-bytes": 400,
    "paged-min-bytes": 1000,
}
LOAD_SECONDS: Final = (0.2, 0.8)
ROUNDS_BETWEEN_RESTORES: Final = 4
# In so many rounds the server is stopped gracefully and started before the load.
GRACEFUL_RESTART_SHARE: Final = 0.1
# In so many rounds the directory of a killed server is verified before it is opened again.
INSPECTED_SHARE: Final = 0.25
RECOVER_CLEAN: Final = 0
RECOVER_TORN: Final = 1
FAILPOINT_TIMEOUT_SECONDS: Final = 4.0
RECOVERY_TIMEOUT_SECONDS: Final = 30.0
# Its storage process dies more often than any real one.
_RESTARTS_MAX: Final = 1_000_000
# Bursts that every client must complete after a storage crash before the next one.
_BURSTS_BETWEEN_CRASHES: Final = 2
_POLL_SECONDS: Final = 0.002


def kill(server: ServerProcess, rng: random.Random) -> None:
    """The program dies, the system lives on."""
    server.kill()


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
    """Rounds on one data directory; `victim` says what is killed.

    Data, backup and archive lie in `place`, by default `directory`. `crash` ends a server, by
    default with SIGKILL; what it leaves of `place` is what the next start finds.
    """

    def __init__(
        self,
        directory: Path,
        *,
        seed: int,
        victim: Victim,
        clients: int,
        settings: Mapping[str, str | int] = MappingProxyType({}),
        place: Path | None = None,
        crash: Crash = kill,
        crashes: Sequence[str] = CRASHES,
        rounds_between_restores: int | None = ROUNDS_BETWEEN_RESTORES,
    ) -> None:
        """`rounds_between_restores`: judging a backup takes seconds; None: none is even made."""
        self.directory = directory
        self._crash = crash
        self._crashes = crashes
        self._rounds_between_restores = rounds_between_restores
        self.seed = seed
        self.victim = victim
        self.refusals: Tally[str] = Tally()
        self._counter = SharedCounter()
        self._markers = {name: directory / f"failpoint-{name}" for name in NAMES}
        failpoints = ",".join(f"{name}:1:{path}" for name, path in self._markers.items())
        place = place or directory
        archive = place / "archive"
        limits = {**TINY_LIMITS, **TINY_COLLECTIONS}
        endless = {"storage-restart-limit": _RESTARTS_MAX}
        settings = {**limits, **endless, "wal-archive-dir": str(archive), **settings}
        self.server = kiwi(
            place / "data",
            settings,
            environment={VARIABLE: failpoints},
        )
        self.server.output_path = directory / "server.output"
        self._clients = [self._make_client(number) for number in range(clients)]
        self.watch = BackupWatch(place / "backup", self._clients, self._counter)
        self.restores = RestoreCheck(self.watch, directory / "restored", archive, limits)

    @property
    def acknowledged_count(self) -> int:
        """Writes that were acknowledged so far."""
        return sum(client.acknowledged_count for client in self._clients)

    def summary(self) -> tuple[set[str], list[str]]:
        """See `crash_report.Rounds`."""
        made, judged = self.watch.made, self.restores.restored
        return self.restores.reached, [f"{made} backups made, {judged} restores judged"]

    def run_round(self, number: int) -> Round:
        """Load, crash, recover and compare once."""
        rng = random.Random(f"{self.seed}:{number}")
        result = Round(number, self._choose_crash(number))
        try:
            self._start(gracefully=rng.random() < GRACEFUL_RESTART_SHARE)
            if self.victim == "all":
                self._crash_everything(rng, result)
            else:
                self._crash_storage(rng, result)
            self._finish_clients(result)
            self._compare(result)
            if self.watch.is_due and number % (self._rounds_between_restores or 1) == 0:
                self._check_backup(rng, result)
        except (ServerFailedError, ReadBackError, OSError) as error:
            result.violations.append(f"round {number}: {type(error).__name__}: {error}")
        finally:
            self._finish_clients(result)
        return result

    def _choose_crash(self, number: int) -> str:
        """All kinds of crash in turn, in a new order each time."""
        cycle, place = divmod(number - 1, len(self._crashes))
        rng = random.Random(f"{self.seed}:order:{cycle}")
        return rng.sample(self._crashes, len(self._crashes))[place]

    def close(self) -> list[str]:
        """Stop the server gracefully; anything but a clean exit is a violation."""
        code = self.server.stop()
        return [] if code == 0 else [f"the graceful stop ended with {code}"]

    def kill(self) -> None:
        """Leave no process behind, whatever happened."""
        self.server.kill()

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
        if self.server.process is not None and gracefully:
            self.server.stop()
        if self.server.process is None:
            self._disarm()
            self.server.start()

    def _crash_everything(self, rng: random.Random, result: Round) -> None:
        self._start_clients()
        self._wait_for_crash(rng, result)
        self._crash(self.server, rng)
        self._finish_clients(result)
        if rng.random() < INSPECTED_SHARE:
            self._inspect(result)
        if result.failpoint == "recovery":
            self._recover_twice(rng, result)
        self._start()

    def _inspect(self, result: Round) -> None:
        """`kiwi-engine recover --verify` must find a crash, at most with a torn tail."""
        words = [sys.executable, "-m", "kiwi_engine", "recover", "--verify"]
        words.append(str(self.server.directory))
        found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        if found.returncode not in (RECOVER_CLEAN, RECOVER_TORN):
            result.violations.append(
                f"recover --verify ended with {found.returncode}: {found.stdout}{found.stderr}"
            )

    def _recover_twice(self, rng: random.Random, result: Round) -> None:
        """A crash in the middle of the recovery, for which the storage process is started."""
        self._arm("recovery")
        try:
            self.server.start()
        except ServerFailedError:
            self._crash(self.server, rng)
        result.reached = self._markers["recovery"].exists()

    def _crash_storage(self, rng: random.Random, result: Round) -> None:
        """Two crashes under the same connections: the round's own, then one by timer."""
        with self.server.client() as control:
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

    def _check_backup(self, rng: random.Random, result: Round) -> None:
        """What can be restored must be a state that was."""
        with self.server.client() as client:
            wait_until(lambda: backup_has_ended(client), "the end of a backup")
        keys = {SHARED_COUNTER}.union(*(client.stream.keys() for client in self._clients))
        # The archive goes on over a crash of storage, and so over writes that never were.
        with_archive = self.victim == "all"
        result.violations += self.restores.run(rng, sorted(keys), with_archive=with_archive)

    def _start_clients(self) -> None:
        for client in self._clients:
            client.stream.unfollow()
            client.start(self.server.port)
        if self._rounds_between_restores is not None:
            self.watch.start(self.server.port)

    def _finish_clients(self, result: Round) -> None:
        self.watch.finish()
        result.violations += self.watch.violations
        self.watch.violations.clear()
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
        with self.server.client() as client:
            present = 0
            for stream in (item.stream for item in self._clients):
                observed = read_back(client, sorted(stream.keys()))
                result.violations += stream.settle(observed)
                present += key_count(observed)
            shared = read_back(client, [SHARED_COUNTER])[SHARED_COUNTER]
            result.violations += self._counter.settle(int(shared or 0))
            present += shared is not None
            if (size := client.command("DBSIZE")) != present:
                result.violations.append(f"DBSIZE says {size}, {present} keys can be read")


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
