"""Does a queue stay as fast as it was, however much has passed through it? (glue)

    python benchmarks/queue_churn.py                          300,000 elements through each queue
    python benchmarks/queue_churn.py --elements 1000000       the real thing

Elements are pushed at one end and popped by blocking commands at the other, at a steady depth. What
was popped is still in the index as a tombstone, until a compaction: whoever walks over those gets
slower with each element. Measured in this process around the storage runtime as the server drives
it, on disk, with `appendfsync everysec`, so that what is timed is the runtime and not the disk's
syncs; a little memory makes it drain and flush often. `awaited`: who pops waits before anything is
pushed. Printed is, for each tenth of the elements, what a push and its pop cost the executing
thread in processor time, which other load on the machine changes little, and how long they took, in
the mean and at most for 99 of 100 frames of 50 pushes and pops. Exit code 1 if the last third costs
over 1.5 times as much as the second one: the first one has not been drained yet.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine
from benchmarks.storage_bench import StorageBench, Words, in_own_process
from kiwi_engine.channel.frames import Run, RunFlags
from kiwi_engine.clock import monotonic_ns

KEY: Final = b"queue"
PAIRS_A_FRAME: Final = 50
DEPTH: Final = 20_000
TENTHS: Final = 10
GROWTH_MAX: Final = 1.5
# So that a drain comes every few ten thousand elements.
MEMORY_BYTES: Final = 32 << 20


@dataclass(frozen=True)
class Queue:
    """A kind of queue. `push` adds element n; `is_awaited`: who pops is there before who pushes."""

    name: str
    push: Callable[[int], Words]
    pop: Words
    is_awaited: bool = False


def payload(number: int) -> bytes:
    """Element `number`, of 64 bytes."""
    return b"%064d" % number


def append(number: int) -> Words:
    return [b"RPUSH", KEY, payload(number)]


QUEUES: Final = (
    Queue("list, awaited", append, [b"BLPOP", KEY, b"0"], is_awaited=True),
    Queue("list", append, [b"BLPOP", KEY, b"0"]),
    Queue("list, other way", lambda n: [b"LPUSH", KEY, payload(n)], [b"BRPOP", KEY, b"0"]),
    Queue("list, moved", append, [b"BLMOVE", KEY, b"taken", b"LEFT", b"RIGHT", b"0"]),
    Queue(
        "sorted set",
        lambda n: [b"ZADD", KEY, b"%d" % n, payload(n)],
        [b"BZPOPMIN", KEY, b"0"],
    ),
)


class Bench(StorageBench):
    """Asks pushes of one connection and pops of many; `busy_ns`: what executing them has cost."""

    def __init__(self, directory: Path, memory_bytes: int) -> None:
        super().__init__(directory, memory_bytes)
        self.busy_ns = 0

    def ask(
        self, pushes: Sequence[Words], pops: Sequence[Words], *, pops_first: bool
    ) -> list[bytes]:
        """One frame, or two of them; the replies to all, when they are there.

        The pushes are pipelined on one connection, each pop has a connection of its own.
        """
        numbers = self.number(1 + len(pops))
        push = Run(numbers[0], 0, 0, False, list(pushes), 1)
        waiting = [
            Run(number, 0, 0, False, [words], 1 + at, RunFlags.BLOCKING)
            for at, (number, words) in enumerate(zip(numbers[1:], pops, strict=True), 1)
        ]
        started_ns = time.thread_time_ns()
        for frame in (waiting, [push]) if pops_first else ([push, *waiting],):
            self.send(frame)
        replies = self.wait(numbers)
        self.busy_ns += time.thread_time_ns() - started_ns
        return replies


@dataclass
class Result:
    """Figures of one queue: of each tenth of the elements, in microseconds."""

    name: str
    costs: list[float] = field(default_factory=list)
    means: list[float] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """How much more the last third costs than the second one."""
        third = len(self.costs) // 3
        return sum(self.costs[-third:]) / sum(self.costs[third : 2 * third])


def measure(name: str, elements: int, depth: int, memory_bytes: int, directory: Path) -> Result:
    """All figures of one queue; every element is checked to come out in its turn."""
    (queue,) = (each for each in QUEUES if each.name == name)
    bench = Bench(directory, memory_bytes)
    depth = 0 if queue.is_awaited else depth
    for start in range(0, depth, 1000):
        numbers = range(start, min(depth, start + 1000))
        bench.ask([queue.push(number) for number in numbers], [], pops_first=False)
    result = Result(name)
    done = 0
    for tenth in range(1, TENTHS + 1):
        took: list[int] = []
        bench.busy_ns = 0
        while done < elements * tenth // TENTHS:
            took.append(pass_through(bench, queue, done, depth))
            done += PAIRS_A_FRAME
        took.sort()
        result.costs.append(bench.busy_ns / len(took) / PAIRS_A_FRAME / 1000)
        result.means.append(sum(took) / len(took) / PAIRS_A_FRAME / 1000)
        result.frames.append(took[len(took) * 99 // 100] / 1000)
    bench.close()
    return result


def pass_through(bench: Bench, queue: Queue, first: int, depth: int) -> int:
    """Push some elements and pop those from `first` on; how long it took."""
    pushed = range(depth + first, depth + first + PAIRS_A_FRAME)
    pushes = [queue.push(number) for number in pushed]
    started_ns = monotonic_ns()
    replies = bench.ask(pushes, [queue.pop] * PAIRS_A_FRAME, pops_first=queue.is_awaited)
    took_ns = monotonic_ns() - started_ns
    assert payload(first) in replies[1], (replies[1], first)
    assert payload(first + PAIRS_A_FRAME - 1) in replies[-1]
    if queue.pop[0] == b"BLMOVE":
        bench.ask([[b"LTRIM", b"taken", b"-1000", b"-1"]], [], pops_first=False)
    return took_ns


def as_markdown(results: Sequence[Result], elements: int, facts: dict[str, str]) -> str:
    """A page with the machine and a row a queue."""
    lines = [f"# {elements:,} elements through a queue", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    head = " | ".join(f"{tenth * 100 // TENTHS} %" for tenth in range(1, TENTHS + 1))
    for title, field_name in (
        ("What a push and its pop cost, microseconds", "costs"),
        ("How long they took, microseconds", "means"),
        (f"{PAIRS_A_FRAME} of them, 99 of 100, microseconds", "frames"),
    ):
        lines += ["", f"## {title}", "", f"| | {head} |", "|---|" + "---:|" * TENTHS]
        for result in results:
            row: list[float] = getattr(result, field_name)
            figures = " | ".join(f"{figure:.1f}" for figure in row)
            lines.append(f"| {result.name} | {figures} |")
    lines += ["", "Last third to the second one: "]
    lines[-1] += ", ".join(f"{result.name} {result.growth:.2f}" for result in results)
    return "\n".join(lines)


def main(words: list[str] | None = None) -> int:
    """Measure all queues and print the page."""
    parser = argparse.ArgumentParser(prog="queue_churn.py", description="Latency of queues.")
    parser.add_argument("--elements", type=int, default=300_000, help="through each queue")
    parser.add_argument("--depth", type=int, default=DEPTH, help="of the queues that have one")
    parser.add_argument("--memory", type=int, default=MEMORY_BYTES, help="in bytes")
    parser.add_argument("--only", default="", help="queues whose name contains this")
    parser.add_argument("--dir", help="where the data lies meanwhile (default: a temporary one)")
    arguments = parser.parse_args(words)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="kiwi-queues-", dir=arguments.dir) as directory:
        for queue in (each for each in QUEUES if arguments.only in each.name):
            folder = Path(directory) / queue.name
            results.append(
                in_own_process(
                    measure,
                    queue.name,
                    arguments.elements,
                    arguments.depth,
                    arguments.memory,
                    folder,
                )
            )
        facts = machine.describe(Path(directory))
    print(as_markdown(results, arguments.elements, facts))
    slower = [result for result in results if result.growth > GROWTH_MAX]
    for result in slower:
        print(f"goal missed: {result.name} takes {result.growth:.2f} times as much at the end")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
