"""Drive a server into a real backlog and show how it holds writers back (glue).

    python scripts/backpressure.py --seconds 20

RocksDB gets memtables of 64 KiB and a single background thread, so that its level 0 fills up for
want of compaction. Writers send all they can, probes read and PING beside them. Printed are the
timeline of the throttle, what was written in each state, how long reads and PING took, and memory.
At the end the server is killed with SIGKILL and started again.

Exit code 0 if all is well; 1 if an acknowledged write is missing or a denied one was made, before
or after the kill, if a read or PING failed, if writers were never slowed down, or if the write
buffer outgrew its bound (the data directory is kept); 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from itertools import groupby, pairwise
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kiwi_engine.clock import sleep
from tests.support.backlog import SETTINGS, Backlog, Sample
from tests.support.latencies import percentile_ms
from tests.support.servers import ServerProcess, kiwi
from tests.support.termination import interrupt_on_sigterm

PROBLEMS_SHOWN_MAX: Final = 20
STATES: Final = ("idle", "none", "slow", "stop")
# How long the probes look at the server before there are writers.
IDLE_SECONDS: Final = 3.0


def main(words: list[str] | None = None) -> int:
    """Run it and print what was seen; returns the exit code."""
    arguments = parse(words)
    interrupt_on_sigterm()
    directory = Path(arguments.dir or tempfile.mkdtemp(prefix="kiwi-backlog-")).resolve()
    print(f"backpressure: directory {directory}; seed {arguments.seed}", flush=True)
    server = kiwi(directory / "data", {**SETTINGS, "throttle-l0-stop": arguments.stop_files})
    try:
        server.start()
        problems = run(server, arguments)
    finally:
        server.kill()
    for problem in problems[:PROBLEMS_SHOWN_MAX]:
        print(f"VIOLATION {problem}")
    print(f"backpressure: {len(problems)} violations")
    if problems:
        print(f"backpressure: data and server output are kept in {directory}")
    elif not arguments.dir:
        shutil.rmtree(directory)
    return 1 if problems else 0


def run(server: ServerProcess, arguments: argparse.Namespace) -> list[str]:
    """Load, look, verify, kill, verify again; returns the violations."""
    backlog = Backlog(
        server.port, writers=arguments.writers, pipeline=arguments.pipeline, seed=arguments.seed
    )
    backlog.start(IDLE_SECONDS)
    sleep(arguments.seconds)
    backlog.stop()
    show(backlog)
    problems = backlog.problems()
    if "slow" not in backlog.monitor.states():
        problems.append("writers were never slowed down: a longer run, or more writers?")
    with server.client() as client:
        problems += backlog.verify(client)
    server.kill()
    server.start()
    with server.client() as client:
        problems += [f"after the kill: {problem}" for problem in backlog.verify(client)]
    return problems


def show(backlog: Backlog) -> None:
    """The tables."""
    samples = backlog.monitor.samples
    show_timeline(samples, backlog.loaded_ns)
    show_states(backlog)
    print(
        f"\nfdatasync of the log: p50 {samples[-1].sync_us_p50 / 1000:.2f} ms, "
        f"p99 {samples[-1].sync_us_p99 / 1000:.2f} ms. A reply waits for the one under way."
    )
    print(
        f"peaks: write buffer {max(each.write_buffer_bytes for each in samples)} bytes, "
        f"{max(each.deferred_commands for each in samples)} deferred commands, "
        f"storage process {max(each.storage_bytes for each in samples) >> 20} MiB "
        f"({samples[0].storage_bytes >> 20} MiB at first)"
    )


def show_timeline(samples: list[Sample], loaded_ns: int) -> None:
    """One line for each stay in a state; seconds count from the first writes."""
    print("\n  from s   for s  state  level 0  rate KiB/s      why it began")
    for _, stay in groupby(samples, key=lambda sample: sample.state):
        rows = list(stay)
        files = [row.level_zero_files for row in rows]
        rates = [row.rate >> 10 for row in rows if row.rate] or [0]
        print(
            f"{(rows[0].at_ns - loaded_ns) / 1e9:8.1f}"
            f"{(rows[-1].at_ns - rows[0].at_ns) / 1e9:8.1f}  {rows[0].state:5}"
            f"{min(files):5}-{max(files):<3}{min(rates):7}-{max(rates):<8} {rows[0].reason[:60]}"
        )


def show_states(backlog: Backlog) -> None:
    """Throughput and latencies by state."""
    nanoseconds: Counter[str] = Counter()
    for before, after in pairwise(backlog.monitor.samples):
        nanoseconds[backlog.state_at(before.at_ns)] += after.at_ns - before.at_ns
    writes: Counter[str] = Counter()
    for writer in backlog.writers:
        for at_ns, count in writer.progress:
            writes[backlog.state_at(at_ns)] += count
    spans: dict[tuple[str, str], list[int]] = {}
    for latency in backlog.latencies:
        key = backlog.state_at(latency.at_ns), latency.kind
        spans.setdefault(key, []).append(latency.nanoseconds)
    print("\n  state  seconds  writes/s   read p50   p99 ms   PING p50   p99 ms")
    for state in STATES:
        if not nanoseconds[state]:
            continue
        seconds = nanoseconds[state] / 1e9
        times = [
            percentile_ms(spans.get((state, kind), []), percent)
            for kind in ("read", "ping")
            for percent in (50, 99)
        ]
        shown = "".join(f"{time:10.2f}" for time in times)
        print(f"  {state:5}{seconds:9.1f}{writes[state] / seconds:10.0f} {shown}")


def parse(words: list[str] | None) -> argparse.Namespace:
    """The command line; a seed is drawn if none is given."""
    parser = argparse.ArgumentParser(
        description="Show how a server in arrears holds writers back, and that nothing is lost.",
        allow_abbrev=False,
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of load (default 20)")
    parser.add_argument("--writers", type=int, default=4, help="connections (default 4)")
    parser.add_argument("--pipeline", type=int, default=100, help="SETs at a time (default 100)")
    parser.add_argument(
        "--stop-files",
        type=int,
        default=12,
        help="throttle-l0-stop (default 12; lower: more stops)",
    )
    parser.add_argument("--seed", type=int, help="of the values that are written")
    parser.add_argument("--dir", help="an empty directory to use, and to keep")
    arguments = parser.parse_args(words)
    if arguments.seconds <= 0 or arguments.writers < 1 or arguments.pipeline < 1:
        parser.error("--seconds, --writers and --pipeline must be above 0")
    if not 1 <= arguments.stop_files <= 60:
        parser.error("--stop-files must be 1 to 60")
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(2**31)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
