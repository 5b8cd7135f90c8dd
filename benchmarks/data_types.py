"""What collections with a million elements cost in the storage runtime (glue).

    python benchmarks/data_types.py                          100,000 elements each
    python benchmarks/data_types.py --elements 1000000       the real thing, some minutes

For a hash, a sorted set, a list and a set: inserting all elements in pipelines, reading single ones
at random, a range of 100 in the middle, ranks where there are some, DEL, and how long the
background then takes to give the space back. Measured in this process around the storage runtime as
the server drives it, on disk, with `appendfsync everysec`, so that what is timed is the runtime and
not the disk's syncs. Each type has a directory and a process of its own; elements are read after
the runtime was closed and opened again, so that nothing is in its memory. The most memory that the
process took is told without what it had before it opened the runtime: interpreter and libraries.
Exit code 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine
from benchmarks.storage_bench import POLL_S, StorageBench, Words, in_own_process
from kiwi_engine.channel.frames import Run
from kiwi_engine.clock import monotonic_ns, sleep

KEY: Final = b"collection"
PIPELINE: Final = 100
PIPELINES_A_FRAME: Final = 10
READS: Final = 2000
RANGE: Final = 100
MEMORY_BYTES: Final = 128 << 20
DELETE_GOAL_MS: Final = 5.0
READ_GOAL_US: Final = 100.0
# Then the writes may be held back, and the background has to go on.
_PATIENCE_NS: Final = 20_000_000


@dataclass(frozen=True)
class Type:
    """How one type is used. `insert` makes element n; reads are given a random n."""

    name: str
    insert: Callable[[int], Words]
    reads: dict[str, Callable[[int, int], Words]]
    point_reads: tuple[str, ...]


def name_of(number: int) -> bytes:
    """Element `number`; its order among the others tells nothing of the number."""
    return b"element:%016x" % (number * 0x9E3779B97F4A7C15 & 0xFFFF_FFFF_FFFF_FFFF)


def between(number: int, count: int) -> tuple[bytes, bytes]:
    """The places of a range in the middle third."""
    first = count // 3 + number // 3
    return b"%d" % first, b"%d" % (first + RANGE - 1)


TYPES: Final = (
    Type(
        "hash",
        lambda n: [b"HSET", KEY, name_of(n), b"v" * 32],
        {
            "HGET": lambda n, count: [b"HGET", KEY, name_of(n)],
            "HLEN": lambda n, count: [b"HLEN", KEY],
            "HSCAN, 100": lambda n, count: [b"HSCAN", KEY, cursor(n), b"COUNT", b"%d" % RANGE],
        },
        ("HGET", "HLEN"),
    ),
    Type(
        "sorted set",
        lambda n: [b"ZADD", KEY, b"%d" % n, name_of(n)],
        {
            "ZSCORE": lambda n, count: [b"ZSCORE", KEY, name_of(n)],
            "ZRANK": lambda n, count: [b"ZRANK", KEY, name_of(n)],
            "ZRANGE, 100": lambda n, count: [b"ZRANGE", KEY, *between(n, count), b"WITHSCORES"],
            "ZRANGE BYSCORE, 100": lambda n, count: [
                *(b"ZRANGE", KEY, *between(n, count), b"BYSCORE")
            ],
            "ZCOUNT": lambda n, count: [b"ZCOUNT", KEY, b"%d" % (n // 2), b"%d" % n],
        },
        ("ZSCORE",),
    ),
    Type(
        "list",
        lambda n: [b"RPUSH", KEY, name_of(n)],
        {
            "LINDEX": lambda n, count: [b"LINDEX", KEY, b"%d" % n],
            "LLEN": lambda n, count: [b"LLEN", KEY],
            "LRANGE, 100": lambda n, count: [b"LRANGE", KEY, *between(n, count)],
        },
        ("LINDEX", "LLEN"),
    ),
    Type(
        "set",
        lambda n: [b"SADD", KEY, name_of(n)],
        {
            "SISMEMBER": lambda n, count: [b"SISMEMBER", KEY, name_of(n)],
            "SCARD": lambda n, count: [b"SCARD", KEY],
            "SSCAN, 100": lambda n, count: [b"SSCAN", KEY, cursor(n), b"COUNT", b"%d" % RANGE],
        },
        ("SISMEMBER", "SCARD"),
    ),
)


def cursor(number: int) -> bytes:
    """A place in the order of a scan: that of hashes, which are 32 bits wide."""
    return b"%d" % (number * 2654435761 % 2**32)


class Bench(StorageBench):
    """Asks runs of one connection; `handled_ns`: what the runtime took for the last frame."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, MEMORY_BYTES)
        self.handled_ns = 0

    def ask(self, runs: Sequence[list[Words]]) -> list[bytes]:
        """The replies of each run when all are there."""
        numbers = self.number(len(runs))
        frame = [Run(n, 0, 0, False, run) for n, run in zip(numbers, runs, strict=True)]
        started_ns = monotonic_ns()
        self.send(frame)
        self.handled_ns = monotonic_ns() - started_ns
        return self.wait(numbers, _PATIENCE_NS)

    def time_one(self, words: Words) -> int:
        """Nanoseconds from a command's arrival to its reply on the way, for a read."""
        numbers = self.number(1)
        run = Run(numbers[0], 0, 0, False, [words])
        started_ns = monotonic_ns()
        self.send([run])
        took_ns = monotonic_ns() - started_ns
        (reply,) = self.taken(numbers)
        assert reply[:1] not in (b"", b"-"), (words, reply)
        return took_ns


@dataclass
class Result:
    """Figures of one type."""

    name: str
    insert_us: float = 0.0
    # Operation -> median and 99th percentile, in microseconds.
    reads: dict[str, tuple[float, float]] = field(default_factory=dict)
    delete_ms: float = 0.0
    delete_answered_ms: float = 0.0
    reclaim_s: float = 0.0
    memory_mib: float = 0.0
    base_mib: float = 0.0

    def misses(self, kind: Type) -> Iterator[str]:
        """The goals that were not reached."""
        if self.delete_ms > DELETE_GOAL_MS:
            yield f"{self.name}: DEL took {self.delete_ms:.1f} ms, goal {DELETE_GOAL_MS:g}"
        for name in kind.point_reads:
            median, _ = self.reads[name]
            if median > READ_GOAL_US:
                yield f"{self.name}: {name} took {median:.0f} us, goal {READ_GOAL_US:g}"
        if self.memory_mib > MEMORY_BYTES >> 20:
            yield f"{self.name}: {self.memory_mib:.0f} MiB of memory, goal {MEMORY_BYTES >> 20}"


def measure(name: str, count: int, directory: Path) -> Result:
    """All figures of one type; every reply is checked to be no error."""
    (kind,) = (each for each in TYPES if each.name == name)
    result = Result(name)
    reset_peak_memory()
    result.base_mib = peak_memory_mib()
    bench = Bench(directory)
    started_ns = monotonic_ns()
    for start in range(0, count, PIPELINE * PIPELINES_A_FRAME):
        numbers = range(start, min(count, start + PIPELINE * PIPELINES_A_FRAME))
        words = [kind.insert(number) for number in numbers]
        replies = bench.ask([words[at : at + PIPELINE] for at in range(0, len(words), PIPELINE)])
        assert not any(b"-" in reply for reply in replies), replies[0][:100]
    result.insert_us = (monotonic_ns() - started_ns) / count / 1000
    bench.close()
    bench = Bench(directory)
    rng = Random(1)
    for label, read in kind.reads.items():
        took = sorted(bench.time_one(read(rng.randrange(count), count)) for _ in range(READS))
        result.reads[label] = took[READS // 2] / 1000, took[READS * 99 // 100] / 1000
    started_ns = monotonic_ns()
    bench.ask([[[b"DEL", KEY]]])
    result.delete_answered_ms = (monotonic_ns() - started_ns) / 1e6
    result.delete_ms = bench.handled_ns / 1e6
    result.reclaim_s = reclaim(bench)
    bench.close()
    result.memory_mib = peak_memory_mib() - result.base_mib
    return result


def reclaim(bench: Bench) -> float:
    """Seconds until the background has removed what was deleted."""
    started_ns = monotonic_ns()
    while bench.runtime.keyspace.reclaimer.orphan_count():
        bench.runtime.tick()
        sleep(POLL_S)
    return (monotonic_ns() - started_ns) / 1e9


def reset_peak_memory() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mib() -> float:
    """The most memory that this process had since `reset_peak_memory`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise LookupError("this system does not tell the peak of a process's memory")


def as_markdown(results: Sequence[Result], count: int, facts: dict[str, str]) -> str:
    """A page with the machine and a table a type."""
    lines = [f"# Collections of {count:,} elements", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += [f"- memory: {MEMORY_BYTES >> 20} MiB", ""]
    for result in results:
        lines += [f"## {result.name}", "", "| | median | 99 of 100 |", "|---|---:|---:|"]
        lines.append(f"| insert one, in pipelines of {PIPELINE} | {result.insert_us:.1f} us | |")
        lines += [
            f"| {name} | {median:.0f} us | {most:.0f} us |"
            for name, (median, most) in result.reads.items()
        ]
        lines.append(f"| DEL, in the runtime | {result.delete_ms:.2f} ms | |")
        lines.append(f"| DEL, until its reply leaves | {result.delete_answered_ms:.2f} ms | |")
        lines.append(f"| space reclaimed after | {result.reclaim_s:.1f} s | |")
        lines.append(f"| memory, at most | {result.memory_mib:.0f} MiB | |")
        lines += [f"| memory before, not counted | {result.base_mib:.0f} MiB | |", ""]
    return "\n".join(lines)


def main(words: list[str] | None = None) -> int:
    """Measure all types and print the page."""
    parser = argparse.ArgumentParser(prog="data_types.py", description="Cost of large collections.")
    parser.add_argument("--elements", type=int, default=100_000, help="of each (default 100000)")
    parser.add_argument("--only", default="", help="types whose name contains this")
    parser.add_argument("--dir", help="where the data lies meanwhile (default: a temporary one)")
    arguments = parser.parse_args(words)
    results: list[Result] = []
    misses: list[str] = []
    with tempfile.TemporaryDirectory(prefix="kiwi-types-", dir=arguments.dir) as directory:
        for kind in (each for each in TYPES if arguments.only in each.name):
            folder = Path(directory) / kind.name
            results.append(in_own_process(measure, kind.name, arguments.elements, folder))
            misses += results[-1].misses(kind)
        facts = machine.describe(Path(directory))
    print(as_markdown(results, arguments.elements, facts))
    for miss in misses:
        print(f"goal missed: {miss}")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
