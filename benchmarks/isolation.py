"""What do two processes gain over one? (glue)

    python benchmarks/isolation.py                      about three minutes
    python benchmarks/isolation.py --rounds 5 --only throughput
    python benchmarks/isolation.py --rounds 5 --only throughput --connections 128 --pipeline 64
    python benchmarks/isolation.py --only stall

One server with `runtime-mode dual`, one with `single`, both running all the time and measured in
turn. First the throughput of a mixed, pipelined load, each write synced before its reply, with the
processor time that each process spent. Then how long PING and a GET of a value in memory take, as a
process of its own sees it, while the storage runtime is busy: with compaction under writers who
send all they can; stopped for a second (SIGSTOP, which in single mode stops everything); with KEYS
over all keys; with syncs that take 100 ms longer while somebody writes (strace).

Waiting times are those of somebody who asks every two milliseconds, answered or not. Exit code 2:
it cannot run here.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine
from benchmarks.isolation_report import CLIENT, MODES, Isolation, Round, Waits
from benchmarks.mixed_load import Shape, drive, preload
from benchmarks.processor_time import ProcessorTime
from benchmarks.storage_bench import in_own_process
from benchmarks.syncs import syncing_thread, writer_process_id
from kiwi_engine.clock import monotonic_ns, sleep
from tests.support import backlog
from tests.support.client import Client, encode
from tests.support.latencies import as_if_steady, of_kind, percentile_ms
from tests.support.probes import PROBE_PAUSE_S, Probes, set_probed
from tests.support.runtime_faults.flood import Flood, run_floods
from tests.support.servers import ServerProcess, kiwi, wait_until
from tests.support.strace import attached, why_not

THROUGHPUT: Final = "throughput"
CONNECTIONS: Final = 32
PIPELINE: Final = 32
WRITES: Final = 0.5
STALL_S: Final = 1.0
SYNC_DELAY_MS: Final = 100
_KEYS_AT_ONCE: Final = 1000
_COMPACTED_KEYS: Final = 20_000
_COMPACTED_VALUE_BYTES: Final = 200
_WRITERS: Final = 4
_DRAIN_TIMEOUT_S: Final = 120.0


def main(words: list[str] | None = None) -> int:
    """Measure and print the page."""
    arguments = parse(words)
    with tempfile.TemporaryDirectory(prefix="kiwi-isolation-", dir=arguments.dir) as folder:
        directory = Path(folder)
        if (kind := machine.file_system(directory)) in machine.MEMORY_FILE_SYSTEMS:
            print(f"benchmark: {directory} lies in memory ({kind}); use --dir", file=sys.stderr)
            return 2
        facts = machine.describe(directory)
        result = measure(directory, arguments)
    print(result.as_markdown(facts))
    return 0


def measure(directory: Path, arguments: argparse.Namespace) -> Isolation:
    """Everything that was asked for."""
    shape = Shape(arguments.connections, arguments.pipeline, WRITES)
    result = Isolation()
    with servers(directory / "plain", {}) as running:
        for server in running.values():
            preload(server.port, shape)
        if arguments.only in ("", THROUGHPUT):
            measure_throughput(running, result, shape, arguments.rounds, arguments.seconds)
        if arguments.only == THROUGHPUT:
            return result
        if arguments.only in ("", "scan"):
            for server in running.values():
                load_keys(server, arguments.keys)
        for name, busy in situations(directory).items():
            if arguments.only not in ("", name):
                continue
            if name == "slow sync" and why_not():
                result.skipped[name] = why_not()
                continue
            measure_waits(name, busy, running, result, arguments.seconds)
    if arguments.only in ("", "compaction"):
        with servers(directory / "tiny", backlog.SETTINGS) as running:
            measure_waits("compaction", compaction, running, result, arguments.seconds)
    return result


@contextmanager
def servers(
    directory: Path, settings: Mapping[str, str | int]
) -> Iterator[dict[str, ServerProcess]]:
    """One in each mode."""
    with ExitStack() as stack:
        yield {
            mode: stack.enter_context(kiwi(directory / mode, {**settings, "runtime-mode": mode}))
            for mode in MODES
        }


def settle(running: Mapping[str, ServerProcess]) -> None:
    """Wait until no server has anything left to do of what was written before."""
    for server in running.values():
        with server.client() as client:
            wait_until(partial(is_drained, client), "the drains", _DRAIN_TIMEOUT_S)


def is_drained(client: Client) -> bool:
    """Whether the index has everything that is in the log."""
    facts = client.info("persistence")
    return facts["applied_lsn"] == facts["durable_lsn"]


def measure_throughput(
    running: Mapping[str, ServerProcess],
    result: Isolation,
    shape: Shape,
    rounds: int,
    seconds: float,
) -> None:
    """In turn, another mode first each time."""
    for number in range(rounds):
        for mode in MODES if number % 2 == 0 else MODES[::-1]:
            settle(running)
            found = throughput(running[mode], shape, seconds, number)
            result.rounds.setdefault(mode, []).append(found)
            print(f"round {number + 1}, {mode}: {found.rate:,.0f}/s", file=sys.stderr)


def throughput(server: ServerProcess, shape: Shape, seconds: float, seed: int) -> Round:
    """One round, with a client in a process of its own."""
    time = ProcessorTime(process_ids(server))
    load = in_own_process(drive, server.port, shape, seconds, seed)
    return Round(load.commands, load.seconds, {**time.spent(), CLIENT: load.processor_seconds})


def process_ids(server: ServerProcess) -> dict[str, int]:
    """Those of a server, by what they do."""
    storage = writer_process_id(server)
    if storage == server.pid:
        return {"server": server.pid}
    return {"network": server.pid, "storage": storage}


# Keeps the storage runtime of a server busy for so many seconds.
Busy = Callable[[ServerProcess, float], None]


def situations(directory: Path) -> dict[str, Busy]:
    """Those of servers with plain settings, by name."""
    return {
        "nothing": lambda server, seconds: sleep(seconds),
        "stall": stall,
        "scan": scan,
        "slow sync": partial(slow_sync, directory / "trace"),
    }


def stall(server: ServerProcess, seconds: float) -> None:
    """SIGSTOP of the process that has the storage runtime, for a second."""
    process_id = writer_process_id(server)
    sleep((seconds - STALL_S) / 2)
    os.kill(process_id, signal.SIGSTOP)
    sleep(STALL_S)
    os.kill(process_id, signal.SIGCONT)
    sleep((seconds - STALL_S) / 2)


def scan(server: ServerProcess, seconds: float) -> None:
    """KEYS over all keys, again and again."""
    ending_ns = monotonic_ns() + int(seconds * 1e9)
    with server.client(timeout_seconds=120) as client:
        while monotonic_ns() < ending_ns:
            assert client.command("KEYS", "no:such:*") == []


def slow_sync(trace: Path, server: ServerProcess, seconds: float) -> None:
    """One writer, and syncs that take longer; other system calls are not touched."""
    process_id = writer_process_id(server)
    fault = ["-e", "trace=fdatasync", "-e", f"inject=fdatasync:delay_exit={SYNC_DELAY_MS * 1000}"]
    ending_ns = monotonic_ns() + int(seconds * 1e9)
    with server.client() as client:
        thread = syncing_thread(process_id, lambda: client.command("SET", "slow", "1"), trace)
        with attached(process_id, fault, trace, threads=[thread]):
            while monotonic_ns() < ending_ns:
                assert client.command("SET", "slow", "1") == b"OK"


def compaction(server: ServerProcess, seconds: float) -> None:
    """Writers of random values send all they can; memtables and levels are tiny."""
    values = random.Random(server.port)
    pipeline = b"".join(
        encode("SET", f"c{number}", values.randbytes(_COMPACTED_VALUE_BYTES))
        for number in range(_COMPACTED_KEYS)
    )
    replies = b"+OK\r\n" * _COMPACTED_KEYS
    floods = [Flood(server.port, pipeline, replies) for _ in range(_WRITERS)]
    _, problems = run_floods(floods, seconds)
    assert not problems, problems


def measure_waits(
    name: str,
    busy: Busy,
    running: Mapping[str, ServerProcess],
    result: Isolation,
    seconds: float,
) -> None:
    """What PING and GET wait in each mode."""
    for mode, server in running.items():
        with server.client() as client:
            set_probed(client)
        settle(running)
        probes = Probes(server.port)
        probes.start()
        try:
            busy(server, seconds)
        finally:
            latencies = probes.stop()
        found = {kind: waits(of_kind(latencies, kind)) for kind in ("ping", "read")}
        result.waits.setdefault(name, {})[mode] = found
        print(f"{name}, {mode}: PING p99 {found['ping'].p99_ms:.1f} ms", file=sys.stderr)


def waits(nanoseconds: list[int]) -> Waits:
    """Percentiles of somebody who does not wait for answers."""
    steady = as_if_steady(nanoseconds, int(PROBE_PAUSE_S * 1e9))
    return Waits(*(percentile_ms(steady, percent) for percent in (50, 99, 100)))


def load_keys(server: ServerProcess, count: int) -> None:
    """So that a scan takes a while."""
    with server.client() as client:
        for first in range(0, count, _KEYS_AT_ONCE):
            numbers = range(first, min(first + _KEYS_AT_ONCE, count))
            assert (
                client.command("MSET", *(word for n in numbers for word in (f"s{n}", n))) == b"OK"
            )


def parse(words: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="isolation.py", description="Two processes and one.")
    parser.add_argument("--rounds", type=int, default=3, help="of throughput (default 3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument(
        "--connections", type=int, default=CONNECTIONS, help=f"of throughput ({CONNECTIONS})"
    )
    parser.add_argument(
        "--pipeline", type=int, default=PIPELINE, help=f"commands under way on each ({PIPELINE})"
    )
    parser.add_argument("--keys", type=int, default=1_000_000, help="that a scan walks over")
    parser.add_argument("--only", default="", help="throughput, or one situation")
    parser.add_argument("--dir", help="where the data lies (default: the temporary directory)")
    arguments = parser.parse_args(words)
    known = ("", THROUGHPUT, "compaction", *situations(Path()))
    if arguments.only not in known:
        parser.error(f"--only is one of {', '.join(known[1:])}")
    counts = (arguments.rounds, arguments.keys, arguments.connections, arguments.pipeline)
    if min(counts) < 1 or arguments.seconds < STALL_S:
        parser.error(f"--seconds is at least {STALL_S:g}, all other numbers 1")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
