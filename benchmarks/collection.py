"""Does the value log stay small while values are overwritten, and what do writers notice? (glue)

    python benchmarks/collection.py                     about three minutes
    python benchmarks/collection.py --keys 65536        1 GiB of live values instead of 256 MiB

A server is filled with values, which are then overwritten ten times over, at a steady rate and in
random order: once with collection, and for comparison, more shortly, without. Printed are the size
of the value log by the size of what is live, over time and at most in the steady state (from the
third time on), and how long writers waited. Exit code: 0 both goals are met, 1 one is not, 2 it
cannot run here.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine
from tests.support import servers
from tests.support.client import encode
from tests.support.servers import ServerProcess

RATIO_GOAL: Final = 1.6
LATENCY_GOAL: Final = 2.0
# From this time of overwriting on, the state is taken to be steady.
STEADY_ROUND: Final = 2
BASELINE_ROUNDS: Final = 3
CONNECTIONS: Final = 16
_ENTRY_OVERHEAD_BYTES: Final = 40
_SAMPLE_S: Final = 0.25
_SHOWN_SAMPLES: Final = 12
_OFF: Final[dict[str, str | int]] = {"value-gc-threshold": 100, "value-gc-dead-max": 100}


class Sample(NamedTuple):
    """Disk use at one moment: seconds, times overwritten, bytes of value log and of all."""

    at_s: float
    rounds: float
    value_log_bytes: int
    all_bytes: int


class Result(NamedTuple):
    """Of one run."""

    samples: list[Sample]
    latencies_ms: list[float]
    live_bytes: int
    writes_a_second: float

    def ratio_max(self) -> float:
        """Value log by live bytes, at most in the steady state."""
        sizes = [each.value_log_bytes for each in self.samples if each.rounds >= STEADY_ROUND]
        return max(sizes, default=0) / self.live_bytes

    def percentile_ms(self, share: float) -> float:
        """The latency that `share` of the writes stayed within."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Writers:
    """Overwrites random keys over some connections, together at a steady rate."""

    def __init__(self, port: int, arguments: argparse.Namespace) -> None:
        self._port = port
        self._keys: int = arguments.keys
        self._value_bytes: int = arguments.value_bytes
        self._random = Random(1)
        self._noise = self._random.randbytes(2 * self._value_bytes)
        self.written = 0
        self.latencies_ms: list[float] = []

    async def fill(self) -> None:
        """Each key once, as fast as it goes."""
        await self._write(iter(range(self._keys)), 0.0)
        self.written, self.latencies_ms = 0, []

    async def overwrite(self, rounds: int, rate: float) -> None:
        """`rounds` times as many writes as there are keys, `rate` a second."""
        keys = (self._random.randrange(self._keys) for _ in range(rounds * self._keys))
        await self._write(keys, rate)

    async def _write(self, keys: Iterator[int], rate: float) -> None:
        started_s = time.perf_counter()
        await asyncio.gather(*(self._connection(keys, started_s, rate) for _ in range(CONNECTIONS)))

    async def _connection(self, keys: Iterator[int], started_s: float, rate: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        sent = self.written
        for number in keys:
            sent = self.written
            self.written += 1
            if rate:
                await asyncio.sleep(started_s + sent / rate - time.perf_counter())
            request = encode("SET", f"key:{number:010}", self._value())
            begun_s = time.perf_counter()
            writer.write(request)
            reply = await reader.readexactly(5)
            self.latencies_ms.append((time.perf_counter() - begun_s) * 1e3)
            if reply != b"+OK\r\n":
                raise RuntimeError(f"the server answered {reply!r}")
        writer.close()
        await writer.wait_closed()

    def _value(self) -> bytes:
        """Incompressible, and never the same again."""
        begin = self._random.randrange(self._value_bytes - 16)
        return self._random.randbytes(16) + self._noise[begin : begin + self._value_bytes - 16]


@contextlib.asynccontextmanager
async def sampling(directory: Path, writers: Writers, keys: int) -> AsyncIterator[list[Sample]]:
    """Looks at the disk use every now and then."""
    samples: list[Sample] = []
    started_s = time.perf_counter()

    async def sample() -> None:
        while True:
            at_s = time.perf_counter() - started_s
            value_log_bytes = disk_use(directory / "vlog")
            all_bytes = value_log_bytes + sum(disk_use(directory / n) for n in ("wal", "index"))
            samples.append(Sample(at_s, writers.written / keys, value_log_bytes, all_bytes))
            await asyncio.sleep(_SAMPLE_S)

    task = asyncio.create_task(sample())
    try:
        yield samples
    finally:
        task.cancel()


def disk_use(directory: Path) -> int:
    """Bytes of disk that the files of a directory take, preallocated space included."""
    total = 0
    for entry in os.scandir(directory):
        # Files come and go.
        with contextlib.suppress(FileNotFoundError):
            total += entry.stat().st_blocks * 512
    return total


async def measure(server: ServerProcess, rounds: int, arguments: argparse.Namespace) -> Result:
    """Fill, let it rest, overwrite."""
    writers = Writers(server.port, arguments)
    await writers.fill()
    await asyncio.sleep(2)
    started_s = time.perf_counter()
    async with sampling(server.directory, writers, arguments.keys) as samples:
        await writers.overwrite(rounds, arguments.rate)
    elapsed_s = time.perf_counter() - started_s
    entry_bytes = arguments.value_bytes + _ENTRY_OVERHEAD_BYTES + 32
    live_bytes = arguments.keys * entry_bytes
    return Result(samples, writers.latencies_ms, live_bytes, writers.written / elapsed_s)


def run(
    directory: Path, rounds: int, settings: dict[str, str | int], arguments: argparse.Namespace
) -> Result:
    """One server from its start to its end; its data is removed."""
    settings = settings | {"disk-reserve": 0}
    settings |= dict(setting.split("=", 1) for setting in arguments.set)
    try:
        with servers.kiwi(directory, settings) as server:
            result = asyncio.run(measure(server, rounds, arguments))
            with server.client() as client:
                print_facts(client.command("INFO", "valuelog").decode())
            return result
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def print_facts(info: str) -> None:
    """What the collector says that it did."""
    for line in info.splitlines():
        if line.startswith(("gc_segments", "gc_bytes", "gc_values", "space")):
            print("   ", line)


def print_result(result: Result) -> None:
    """Disk use over time, and latencies."""
    print("    seconds   times over   value log / live   all / live")
    step = max(1, len(result.samples) // _SHOWN_SAMPLES)
    for each in result.samples[::step]:
        value_log, everything = (
            size / result.live_bytes for size in (each.value_log_bytes, each.all_bytes)
        )
        print(f"    {each.at_s:7.1f} {each.rounds:12.1f} {value_log:18.2f} {everything:12.2f}")
    p50, p99, p999 = (result.percentile_ms(share) for share in (0.5, 0.99, 0.999))
    print(
        f"    {result.writes_a_second:.0f} writes a second; latency "
        f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, p99.9 {p999:.2f} ms"
    )


def parse(words: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="collection.py", description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=16_384, help="live values (default 16384)")
    parser.add_argument("--value-bytes", type=int, default=16_384, help="of each (default 16384)")
    parser.add_argument("--rounds", type=int, default=10, help="times over (default 10)")
    parser.add_argument(
        "--rate", type=float, default=1500.0, help="writes a second, 0: all it takes (default 1500)"
    )
    parser.add_argument("--dir", help="where the data goes (default: the temporary directory)")
    parser.add_argument("--no-baseline", action="store_true", help="only with collection")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting; repeatable"
    )
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Measure and judge."""
    arguments = parse(words)
    directory = Path(tempfile.mkdtemp(prefix="kiwi-collection-", dir=arguments.dir)).resolve()
    try:
        if (kind := machine.file_system(directory)) in machine.MEMORY_FILE_SYSTEMS:
            print(f"{directory} lies in memory ({kind}); choose a disk with --dir")
            return 2
        print(", ".join(f"{name}: {fact}" for name, fact in machine.describe(directory).items()))
        baseline: Result | None = None
        if not arguments.no_baseline:
            print("without collection")
            rounds = min(BASELINE_ROUNDS, arguments.rounds)
            baseline = run(directory / "without", rounds, _OFF, arguments)
            print_result(baseline)
        print("with collection")
        result = run(directory / "with", arguments.rounds, {}, arguments)
        print_result(result)
    finally:
        shutil.rmtree(directory)
    return judge(result, baseline)


def judge(result: Result, baseline: Result | None) -> int:
    """The verdict as an exit code."""
    ratio = result.ratio_max()
    print(f"value log by live data, at most: {ratio:.2f} (goal {RATIO_GOAL})")
    is_met = ratio <= RATIO_GOAL
    if baseline is not None:
        factor = result.percentile_ms(0.99) / baseline.percentile_ms(0.99)
        print(f"p99 with collection by p99 without: {factor:.2f} (goal below {LATENCY_GOAL})")
        is_met = is_met and factor < LATENCY_GOAL
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
