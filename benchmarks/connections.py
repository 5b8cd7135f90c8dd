"""How many connections can be held, and what do they cost? (glue)

    python benchmarks/connections.py                    5,000 connections, about a minute
    python benchmarks/connections.py --connections 1000 --seconds 10

One server. First all connections do one SET each and then nothing: what the network process grew by
is what an idle connection takes; what the kernel holds for both ends of it is told separately. Then
each of them does one SET a second, spread evenly: how long do those take? Last, some of them
(2,000) do one SET behind the other. All of it from one client process, this one.

Goals that were missed are printed. Exit code 2: it cannot run here, for want of descriptors.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import sys
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine
from benchmarks.processor_time import ProcessorTime
from benchmarks.setters import connect, one_a_second, one_behind_the_other
from benchmarks.syncs import writer_process_id
from tests.support.latencies import percentile_ms
from tests.support.processes import resident_bytes
from tests.support.runtime_faults.trial import SkippedError, allow_descriptors
from tests.support.servers import ServerProcess, kiwi

P99_GOAL_MS: Final = 100.0
IDLE_GOAL_BYTES: Final = 20 * 1024
# Of what the kernel counts in /proc/net/sockstat.
_PAGE_BYTES: Final = resource.getpagesize()
_WARM_UP_CONNECTIONS: Final = 10
_WARM_UP_S: Final = 0.5
# So that what was freed, and what is still under way, does not count.
CALM_S: Final = 1.0


Result = TypeVar("Result")


@dataclass(frozen=True)
class Figures:
    """What was measured; times in milliseconds, processor time in percent of one core."""

    connections: int
    idle_bytes: float
    kernel_bytes: float
    sets: int
    p50_ms: float
    p99_ms: float
    most_ms: float
    busy_percent: dict[str, float]
    active: int
    active_rate: float
    active_percent: dict[str, float]

    def misses(self) -> list[str]:
        """The goals that were not reached."""
        found = []
        if self.p99_ms > P99_GOAL_MS:
            found.append(f"p99 of a SET a second: {self.p99_ms:.1f} ms, goal {P99_GOAL_MS:g} ms")
        if self.idle_bytes > IDLE_GOAL_BYTES:
            found.append(
                f"an idle connection takes {self.idle_bytes / 1024:.1f} KiB, "
                f"goal {IDLE_GOAL_BYTES // 1024} KiB"
            )
        return found

    def as_markdown(self, facts: dict[str, str]) -> str:
        """A page with the machine."""
        lines = ["# Many connections", "", *(f"- {name}: {value}" for name, value in facts.items())]
        rows = [
            (
                f"{self.connections} idle connections, network process, KiB each",
                self.idle_bytes / 1024,
            ),
            ("kernel, both ends, KiB each", self.kernel_bytes / 1024),
            (f"{self.connections} connections, one SET a second: SETs", self.sets),
            ("p50 ms", self.p50_ms),
            ("p99 ms", self.p99_ms),
            ("longest ms", self.most_ms),
            *((f"{name}, % of a core", percent) for name, percent in self.busy_percent.items()),
            (f"{self.active} active connections, SETs a second", self.active_rate),
            *((f"{name}, % of a core", percent) for name, percent in self.active_percent.items()),
        ]
        lines += ["", "| | |", "|---|---:|"]
        lines += [f"| {name} | {figure:,.1f} |" for name, figure in rows]
        lines += ["", *(f"goal missed: {miss}  " for miss in self.misses())]
        return "\n".join(lines)


async def measure(
    server: ServerProcess, count: int, active: int, seconds: float, calm_s: float = CALM_S
) -> Figures:
    """All figures of one server; `calm_s` goes by before memory is looked at."""
    warmed = await connect(server.port, _WARM_UP_CONNECTIONS)
    await one_behind_the_other(warmed, _WARM_UP_S)
    for setter in warmed:
        setter.close()
    await asyncio.sleep(calm_s)
    resident, kernel = resident_bytes(server.pid), kernel_bytes()
    setters = await connect(server.port, count)
    await asyncio.sleep(calm_s)
    idle = (resident_bytes(server.pid) - resident) / count
    held = (kernel_bytes() - kernel) / count
    percent, waits = await _timed(server, one_a_second(setters, seconds))
    active_percent, rate = await _timed(server, one_behind_the_other(setters[:active], seconds))
    for setter in setters:
        setter.close()
    p50, p99, most = (percentile_ms(waits, each) for each in (50, 99, 100))
    return Figures(
        count, idle, held, len(waits), p50, p99, most, percent, active, rate, active_percent
    )


async def _timed(
    server: ServerProcess, work: Coroutine[None, None, Result]
) -> tuple[dict[str, float], Result]:
    """Percent of a core that each process took meanwhile, and what came of it."""
    time = ProcessorTime(
        {"network": server.pid, "storage": writer_process_id(server), "client": os.getpid()}
    )
    started_s = asyncio.get_running_loop().time()
    result = await work
    took_s = asyncio.get_running_loop().time() - started_s
    return {name: spent / took_s * 100 for name, spent in time.spent().items()}, result


def kernel_bytes() -> int:
    """What the kernel holds at the moment: buffers of TCP, and its tables of all kinds (slab)."""
    socket_pages = 0
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            socket_pages = int(line.split()[-1])
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Slab:"):
            return int(line.split()[1]) * 1024 + socket_pages * _PAGE_BYTES
    raise OSError("/proc/meminfo names no slab")


def main(words: list[str] | None = None) -> int:
    """Measure and print the page."""
    parser = argparse.ArgumentParser(prog="connections.py", description="Many connections.")
    parser.add_argument("--connections", type=int, default=5000, help="held (default 5000)")
    parser.add_argument("--active", type=int, default=2000, help="that never pause (default 2000)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each load (default 20)")
    parser.add_argument("--dir", help="where the data lies (default: the temporary directory)")
    arguments = parser.parse_args(words)
    if not 1 <= arguments.active <= arguments.connections or arguments.seconds < 1:
        parser.error("--active is 1 to --connections, --seconds at least 1")
    try:
        allow_descriptors(arguments.connections)
    except SkippedError as reason:
        print(f"benchmark: {reason}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="kiwi-connections-", dir=arguments.dir) as folder:
        facts = machine.describe(Path(folder))
        with (
            kiwi(Path(folder) / "data") as server,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            figures = runner.run(
                measure(server, arguments.connections, arguments.active, arguments.seconds)
            )
    print(figures.as_markdown(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
