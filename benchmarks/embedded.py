"""How fast the embedded API is, and how far threads share syncs (glue).

    python benchmarks/embedded.py [--dir DIR] [--seconds 3] [--rounds 3] [--require-ratio 10]

Durable puts of 64 bytes by 1, 2, 8 and 32 threads (and 32 coroutines), each waiting for its own
sync; the ratio is to one thread. Rounds alternate, and medians are shown, so that a slow minute of
the machine hits all alike. Then batches, reads and iteration. With `--require-ratio` the exit
status says whether 32 threads reached that many times the rate of one.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import kiwi_engine
from benchmarks import machine
from kiwi_engine import aio
from kiwi_engine.clock import monotonic_ns

THREADS: Final = (1, 2, 8, 32)
VALUE: Final = b"v" * 64
KEYS: Final = 200_000
BATCH: Final = 1000


def threads_put(engine: kiwi_engine.Engine, threads: int, seconds: float) -> float:
    """Puts a second of so many threads together."""
    counts = [0] * threads
    deadline_ns = monotonic_ns() + int(seconds * 1e9)

    def work(number: int) -> None:
        put, count = engine.put, 0
        while monotonic_ns() < deadline_ns:
            put(b"thread %d key %d" % (number, count % 10_000), VALUE)
            count += 1
        counts[number] = count

    started_ns = monotonic_ns()
    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) * 1e9 / (monotonic_ns() - started_ns)


def coroutines_put(directory: Path, coroutines: int, seconds: float) -> float:
    """Puts a second of so many coroutines together."""

    async def run() -> float:
        async with aio.open(directory) as engine:
            deadline_ns = monotonic_ns() + int(seconds * 1e9)

            async def work(number: int) -> int:
                count = 0
                while monotonic_ns() < deadline_ns:
                    await engine.put(b"coroutine %d key %d" % (number, count % 10_000), VALUE)
                    count += 1
                return count

            started_ns = monotonic_ns()
            counts = await asyncio.gather(*map(work, range(coroutines)))
            return sum(counts) * 1e9 / (monotonic_ns() - started_ns)

    return asyncio.run(run())


def report(what: str, rates: list[float], unit: str = "a second", note: str = "") -> float:
    """One line with the median and the extremes; returns the median."""
    median = statistics.median(rates)
    print(
        f"  {what:<46}{median:12,.0f} {unit}  [{min(rates):,.0f} .. {max(rates):,.0f}]{note}",
        flush=True,
    )
    return median


def measure_puts(directory: Path, seconds: float, rounds: int) -> float:
    """Prints a line for each number of threads; returns the ratio of the most to one."""
    rates: dict[int, list[float]] = {threads: [] for threads in THREADS}
    group_sizes: dict[int, float] = {}
    for _ in range(rounds):
        for threads in THREADS:
            with kiwi_engine.open(directory / "threads") as engine:
                rates[threads].append(threads_put(engine, threads, seconds))
                commit = engine.statistics().commit
                group_sizes[threads] = commit.requests / commit.groups
    single = statistics.median(rates[1])
    for threads in THREADS:
        ratio = statistics.median(rates[threads]) / single
        note = f"  {ratio:.1f} x, {group_sizes[threads]:.1f} a group"
        report(f"durable puts, threads: {threads}", rates[threads], note=note)
    coroutines = [
        coroutines_put(directory / "coroutines", THREADS[-1], seconds) for _ in range(rounds)
    ]
    note = f"  {statistics.median(coroutines) / single:.1f} x"
    report(f"durable puts, coroutines: {THREADS[-1]}", coroutines, note=note)
    return statistics.median(rates[THREADS[-1]]) / single


def measure_others(directory: Path, rounds: int) -> None:
    """Batches, reads from memory and from the index, iteration."""
    keys = [b"key %08d" % number for number in range(KEYS)]
    chosen = random.Random(1).sample(keys, 20_000)
    with kiwi_engine.open(directory / "others") as engine:
        fill = [timed(lambda: fill_in_batches(engine, keys), KEYS) for _ in range(rounds)]
        report(f"puts in durable batches of {BATCH}", fill)
        read(engine, chosen, "in memory", rounds)
        engine.flush()
    with kiwi_engine.open(directory / "others") as engine:
        cold = [timed(lambda: [engine.get(key) for key in chosen], len(chosen))]
        report("get, first time, from the index", cold)
        read(engine, chosen, "again", rounds)
        walk: list[Callable[[], object]] = [
            lambda: sum(1 for _ in engine.scan()),
            lambda: sum(1 for _ in engine.scan(reverse=True)),
            lambda: sum(1 for _ in engine.keys(b"")),
        ]
        for what, function in zip(("scan", "scan backwards", "keys"), walk, strict=True):
            report(f"{what}, rows", [timed(function, KEYS) for _ in range(rounds)])
        with engine.snapshot() as snapshot:
            gets = [timed(lambda: [snapshot.get(key) for key in chosen], len(chosen))]
            report("get from a snapshot", gets)
        begins = [
            timed(lambda: [list(engine.scan(key, key + b"~")) for key in chosen[:2000]], 2000)
        ]
        report("ranges of one row", begins)


def read(engine: kiwi_engine.Engine, keys: list[bytes], where: str, rounds: int) -> None:
    """Single reads and reads of 100 keys at a time."""
    get = [timed(lambda: [engine.get(key) for key in keys], len(keys)) for _ in range(rounds)]
    report(f"get, {where}", get)

    def in_hundreds() -> None:
        for at in range(0, len(keys), 100):
            engine.get_many(keys[at : at + 100])

    report(
        f"get_many of 100, {where}, keys", [timed(in_hundreds, len(keys)) for _ in range(rounds)]
    )


def fill_in_batches(engine: kiwi_engine.Engine, keys: list[bytes]) -> None:
    """One batch after the other, each durable before the next."""
    for at in range(0, len(keys), BATCH):
        batch = kiwi_engine.WriteBatch()
        for key in keys[at : at + BATCH]:
            batch.put(key, VALUE)
        engine.write(batch)


def timed(function: Callable[[], object], count: int) -> float:
    """How many of `count` things a second `function` did."""
    started_ns = monotonic_ns()
    function()
    return count * 1e9 / (monotonic_ns() - started_ns)


def main() -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--dir", default="/var/tmp", help="a directory on the disk to measure")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one run of puts")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each case")
    parser.add_argument("--require-ratio", type=float, default=0.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.dir) as directory:
        facts = machine.describe(Path(directory))
        print("\n".join(f"{name}: {value}" for name, value in facts.items()))
        if facts["file system"] in machine.MEMORY_FILE_SYSTEMS:
            print("a file system in memory: syncs cost nothing there, choose another --dir")
            return 2
        ratio = measure_puts(Path(directory), arguments.seconds, arguments.rounds)
        measure_others(Path(directory), arguments.rounds)
    print(f"\n32 threads reach {ratio:.1f} times the rate of one.")
    return 0 if ratio >= arguments.require_ratio else 1


if __name__ == "__main__":
    sys.exit(main())
