"""One round of a crash test of an embedded engine: a program dies, this one opens its data (glue).

As in `crash_round`, a round is decided by its own random generator. The program's threads write a
line for each operation that was done, so of each thread at most one operation is in doubt.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter as Tally
from itertools import islice
from pathlib import Path
from typing import Any, Final

import kiwi_engine
from kiwi_engine import clock
from kiwi_engine.errors import KiwiError
from kiwi_engine.failpoints import VARIABLE
from kiwi_engine.testing.oracle import Counter, Stream
from tests.support.crash_round import (
    CRASHES,
    FAILPOINT_TIMEOUT_SECONDS,
    LOAD_SECONDS,
    TINY_LIMITS,
    Round,
)
from tests.support.embedded_workload import operations
from tests.support.servers import ROOT, wait_until
from tests.support.workload import SHARED_COUNTER

# A program makes no backups by itself, and has no archive.
EMBEDDED_CRASHES: Final = tuple(
    name for name in CRASHES if not name.startswith(("archive-", "backup-"))
)
OPTIONS: Final[dict[str, Any]] = {
    **{name.replace("-", "_"): value for name, value in TINY_LIMITS.items()},
    "value_gc_threshold": 10,
}
del OPTIONS["wal_archive_interval"]
OPEN_TIMEOUT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.002


class EmbeddedCrashTest:
    """Rounds on one data directory."""

    def __init__(self, directory: Path, *, seed: int, threads: int) -> None:
        self.directory = directory
        self.seed = seed
        self._data = directory / "data"
        self._output = directory / "program.output"
        self._marker = directory / "failpoint"
        self._streams = [Stream(f"t{number}") for number in range(threads)]
        self._counter = Counter("shared counter")
        self._process: subprocess.Popen[bytes] | None = None
        self.acknowledged_count = 0
        self.refusals: Tally[str] = Tally()

    def run_round(self, number: int) -> Round:
        """Start the program, kill it, open what it left, and compare."""
        rng = random.Random(f"{self.seed}:{number}")
        cycle, place = divmod(number - 1, len(EMBEDDED_CRASHES))
        order = random.Random(f"{self.seed}:order:{cycle}")
        result = Round(number, order.sample(EMBEDDED_CRASHES, len(EMBEDDED_CRASHES))[place])
        round_seed = f"{self.seed}:{number}"
        output = self._live_and_die(rng, result, round_seed)
        result.violations += self._note(output, round_seed)
        if result.failpoint == "recovery":
            self._recover_twice(result)
        try:
            self._compare(result)
        except (KiwiError, OSError) as error:
            result.violations.append(f"round {number}: {type(error).__name__}: {error}")
        return result

    def close(self) -> list[str]:
        """Nothing runs between two rounds."""
        return []

    def kill(self) -> None:
        """Leave no process behind, whatever happened."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def summary(self) -> tuple[set[str], list[str]]:
        """See `crash_report.Rounds`."""
        return set(), []

    def _live_and_die(self, rng: random.Random, result: Round, seed: str) -> list[str]:
        """All that the program told."""
        self._marker.touch()
        self._start(result.failpoint, seed)
        self._wait_for_crash(rng, result)
        self._end(result)
        return self._output.read_text().splitlines()

    def _recover_twice(self, result: Round) -> None:
        """A program that dies while it opens what the first one left."""
        self._marker.unlink()
        self._start(result.failpoint, "unused")
        assert self._process is not None
        self._process.wait(OPEN_TIMEOUT_SECONDS)
        self._end(result)
        result.reached = self._marker.exists()

    def _start(self, failpoint: str, seed: str) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KIWI_")}
        if failpoint:
            environment[VARIABLE] = f"{failpoint}:1:{self._marker}"
        words = [sys.executable, "-m", "tests.support.embedded_program", str(self._data), seed]
        words += [str(len(self._streams)), json.dumps(OPTIONS)]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=output)

    def _end(self, result: Round) -> None:
        assert self._process is not None
        self._process.kill()
        code, self._process = self._process.wait(), None
        if code != -signal.SIGKILL:
            result.violations.append(f"the program ended by itself, with {code}")

    def _wait_for_crash(self, rng: random.Random, result: Round) -> None:
        """Let the threads work for a while, then until the failpoint is reached."""
        process = self._process
        assert process is not None
        wait_until(
            lambda: process.poll() is not None or self._output.stat().st_size > 0,
            "the program to open its directory",
            OPEN_TIMEOUT_SECONDS,
        )
        clock.sleep(rng.uniform(*LOAD_SECONDS))
        if result.failpoint in ("", "recovery"):
            return
        self._marker.unlink()
        deadline_ns = clock.monotonic_ns() + int(FAILPOINT_TIMEOUT_SECONDS * 1e9)
        while not result.reached and clock.monotonic_ns() < deadline_ns:
            result.reached = self._marker.exists()
            clock.sleep(_POLL_SECONDS)

    def _note(self, lines: list[str], seed: str) -> list[str]:
        """Tell the oracles what was done; the violations that the program saw itself."""
        done: Tally[str] = Tally()
        violations = []
        for line in lines:
            name, _, rest = line.partition(" ")
            if name == "wrong":
                violations.append(rest)
            elif rest:
                count, counted = map(int, rest.split())
                done[name] = count
                if counted:
                    self._counter.submit()
                    violations += self._counter.acknowledge(counted)
        for stream in self._streams:
            self._note_thread(stream, seed, done[stream.name])
        return violations

    def _note_thread(self, stream: Stream, seed: str, done: int) -> None:
        for number, operation in enumerate(islice(operations(seed, stream.name), done + 1)):
            write = stream.submit(operation.changes) if operation.changes else None
            if number == done:
                # Under way, or about to be.
                if operation.kind == "shared-counter":
                    self._counter.submit()
            elif write is not None:
                stream.acknowledge(write)
                self.acknowledged_count += 1

    def _compare(self, result: Round) -> None:
        """Open the directory here, read everything back and ask the oracles."""
        with kiwi_engine.open(self._data, **OPTIONS) as engine:
            present = 0
            for stream in self._streams:
                observed = {key: engine.get(key) for key in sorted(stream.keys())}
                present += sum(value is not None for value in observed.values())
                result.violations += stream.settle(observed)
            shared = engine.get(SHARED_COUNTER)
            result.violations += self._counter.settle(int(shared or 0))
            present += shared is not None
            if (count := engine.count()) != present:
                result.violations.append(f"count says {count}, {present} keys can be read")
