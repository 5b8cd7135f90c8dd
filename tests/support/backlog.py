"""A server driven into a real backlog, and what is seen of it meanwhile (shell: threads).

Writers keep the state that they expect; a monitor asks INFO; probes in a process of their own
measure how long reads and PING take. `verify` then looks whether an acknowledged write is missing,
or a denied one was made.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Mapping
from random import Random
from types import MappingProxyType
from typing import Final

import msgspec

from kiwi_engine.clock import monotonic_ns, sleep
from tests.support.client import Client, ErrorReply
from tests.support.latencies import Latency
from tests.support.probes import Probes, set_probed
from tests.support.processes import resident_bytes

# Small enough for level 0 to fill up within a second of writing.
SETTINGS: Final[Mapping[str, str | int]] = MappingProxyType(
    {
        "memory": "8mb",
        "drain-max-bytes": "128kb",
        "drain-interval": 50,
        "write-batch-max-bytes": "128kb",
        "wal-segment-size": "4mb",
        "wal-retained-max": "16mb",
        "rocksdb-write-buffer-size": "64kb",
        "rocksdb-max-background-jobs": 1,
        "throttle-l0-slow": 4,
        "throttle-l0-stop": 12,
        "throttle-rate-max": "8mb",
        "throttle-rate-min": "64kb",
    }
)
# A quarter of `memory`, and what groups may add: each a few times its bytes with its overheads.
WRITE_BUFFER_BYTES_MAX: Final = 2 * 1024**2 + 8 * 128 * 1024
_MONITOR_PAUSE_S: Final = 0.05
_KEYS_A_WRITER: Final = 20_000
_VALUE_BYTES: Final = 200


class Sample(msgspec.Struct, frozen=True):
    """What the monitor saw at `at_ns` of the monotonic clock."""

    at_ns: int
    state: str
    reason: str
    rate: int
    level_zero_files: int
    deferred_commands: int
    write_buffer_bytes: int
    sync_us_p50: int
    sync_us_p99: int
    storage_bytes: int


class Writer(threading.Thread):
    """Sends pipelines of SETs to keys of its own until it is stopped."""

    def __init__(self, port: int, number: int, pipeline: int, seed: int) -> None:
        super().__init__(name=f"writer-{number}")
        self._port = port
        self._prefix = b"w%d:" % number
        self._pipeline = pipeline
        self._random = Random(seed * 1000 + number)
        self._sequence = 0
        self.stopping = threading.Event()
        self.submitted: dict[bytes, int] = {}
        self.acknowledged: dict[bytes, int] = {}
        self.denied: set[tuple[bytes, int]] = set()
        # (time, writes acknowledged) of each pipeline.
        self.progress: list[tuple[int, int]] = []
        self.problems: list[str] = []

    def run(self) -> None:
        with Client(self._port, timeout_seconds=120) as client:
            while not self.stopping.is_set():
                self._send(client)

    def _send(self, client: Client) -> None:
        batch = []
        for _ in range(self._pipeline):
            self._sequence += 1
            key = self._prefix + b"%05d" % self._random.randrange(_KEYS_A_WRITER)
            batch.append((key, self._sequence))
            self.submitted[key] = self._sequence
        replies = client.pipeline([("SET", key, self._value(number)) for key, number in batch])
        count = 0
        for (key, number), reply in zip(batch, replies, strict=True):
            if reply == b"OK":
                self.acknowledged[key] = number
                count += 1
            elif isinstance(reply, ErrorReply) and str(reply).startswith("BUSY "):
                self.denied.add((key, number))
            else:
                self.problems.append(f"SET was answered {reply!r}")
        self.progress.append((monotonic_ns(), count))

    def _value(self, number: int) -> bytes:
        return b"%d:" % number + self._random.randbytes(_VALUE_BYTES)


class Monitor(threading.Thread):
    """Samples INFO until it is stopped."""

    def __init__(self, port: int) -> None:
        super().__init__(name="monitor")
        self._port = port
        self.stopping = threading.Event()
        self.samples: list[Sample] = []

    def run(self) -> None:
        with Client(self._port, timeout_seconds=120) as client:
            process_id = int(client.info("server")["storage_process_id"])
            while not self.stopping.wait(_MONITOR_PAUSE_S):
                pressure, commits = client.info("backpressure"), client.info("commitworker")
                self.samples.append(
                    Sample(
                        monotonic_ns(),
                        pressure["state"],
                        pressure["reason"],
                        int(pressure["rate_bytes_per_sec"]),
                        int(client.info("rocksdb")["level0_files"]),
                        int(pressure["deferred_commands"]),
                        int(commits["write_buffer_bytes"]),
                        int(commits["sync_us_p50"]),
                        int(commits["sync_us_p99"]),
                        resident_bytes(process_id),
                    )
                )

    def states(self) -> set[str]:
        return {sample.state for sample in self.samples}

    def state_at(self, at_ns: int) -> str:
        """The state that was seen last before `at_ns`."""
        place = bisect_right(self.samples, at_ns, key=lambda sample: sample.at_ns)
        return self.samples[place - 1].state if place else "none"


class Backlog:
    """Everything at work on one server; the first value is there before the probes ask for it."""

    def __init__(self, port: int, *, writers: int, pipeline: int, seed: int) -> None:
        with Client(port) as client:
            set_probed(client)
        self.monitor = Monitor(port)
        self.probes = Probes(port)
        self.writers = [Writer(port, number, pipeline, seed) for number in range(writers)]
        self.latencies: list[Latency] = []
        self.loaded_ns = 0

    def start(self, idle_s: float) -> None:
        """Look at the idle server for a while, then let the writers loose."""
        self.probes.start()
        self.monitor.start()
        sleep(idle_s)
        self.loaded_ns = monotonic_ns()
        for writer in self.writers:
            writer.start()

    def state_at(self, at_ns: int) -> str:
        """The throttle's state, or "idle" before there were writers."""
        return self.monitor.state_at(at_ns) if at_ns >= self.loaded_ns else "idle"

    def stop(self) -> None:
        """Ends with every request answered."""
        for writer in self.writers:
            writer.stopping.set()
        for writer in self.writers:
            writer.join()
        self.latencies = self.probes.stop()
        self.monitor.stopping.set()
        self.monitor.join()

    def problems(self) -> list[str]:
        """What went wrong so far, beside what `verify` finds."""
        found = [problem for writer in self.writers for problem in writer.problems]
        fullest = max(sample.write_buffer_bytes for sample in self.monitor.samples)
        if fullest > WRITE_BUFFER_BYTES_MAX:
            found.append(f"the write buffer held {fullest} bytes")
        return found

    def verify(self, client: Client) -> list[str]:
        """Acknowledged writes that are missing, and denied ones that were made."""
        return [problem for writer in self.writers for problem in verify(writer, client)]


def verify(writer: Writer, client: Client) -> list[str]:
    """Compare all keys of a writer with what it knows."""
    problems = []
    keys = list(writer.submitted)
    for start in range(0, len(keys), 1000):
        part = keys[start : start + 1000]
        for key, value in zip(part, client.command("MGET", *part), strict=True):
            number = 0 if value is None else int(value.partition(b":")[0])
            if not writer.acknowledged.get(key, 0) <= number <= writer.submitted[key]:
                problems.append(
                    f"{key!r} holds write {number}, acknowledged was "
                    f"{writer.acknowledged.get(key, 0)}, submitted {writer.submitted[key]}"
                )
            if (key, number) in writer.denied:
                problems.append(f"{key!r} holds write {number}, which was denied")
    return problems
