"""Simulated crashes by the million: each is recovered from and judged (glue).

    python scripts/crash_sweep.py --crashes 1000000
    python scripts/crash_sweep.py --kind engine --kind recovery --seed 1
    python scripts/crash_sweep.py --replay engine:17

The sweeps are those of the tests (tests/sweeps/kinds.py), with other seeds: from a drawn one on, or
from `--seed`. Only distinct remains that were recovered and judged count. It stops at the first
violation, with what failed and the line that replays it.

Exit code 0 without a violation, 1 with one, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import secrets
import signal
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.sweeps.judged import ViolationError
from tests.sweeps.kinds import KINDS, SHARES, run

# Seeds handed out ahead of the workers, so that none waits.
_AHEAD: Final = 2
_REPORT_INTERVAL_S: Final = 30


class Swept(NamedTuple):
    """What became of one seed; `failure` is "" or a traceback."""

    kind: str
    seed: int
    judged: int
    failure: str


def main(words: list[str] | None = None) -> int:
    """Sweep, or replay one seed; returns the exit code."""
    arguments = parse(words)
    if arguments.replay:
        quieten()
        kind, seed = arguments.replay
        return report([sweep(kind, seed)])
    kinds = arguments.kind or list(KINDS)
    print(
        f"crash-sweep: {arguments.crashes:,} crashes of {', '.join(kinds)},"
        f" seeds from {arguments.seed}, {arguments.workers} processes",
        flush=True,
    )
    campaign = Campaign(kinds, arguments.seed, arguments.crashes)
    try:
        campaign.run(arguments.workers)
    except KeyboardInterrupt:
        print("crash-sweep: interrupted")
    return report(campaign.results)


def parse(words: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Simulated crashes, recovered from and judged.")
    parser.add_argument("--crashes", type=int, default=1_000_000, help="how many (%(default)s)")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only these (all)")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(1 << 31), help="the first seed (drawn)"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--replay", type=_kind_and_seed, metavar="KIND:SEED", help="one run only")
    return parser.parse_args(words)


def _kind_and_seed(word: str) -> tuple[str, int]:
    kind, _, seed = word.partition(":")
    if kind not in KINDS or not seed.isdecimal():
        raise argparse.ArgumentTypeError(f"one of {', '.join(KINDS)}, a colon and a seed")
    return kind, int(seed)


def quieten() -> None:
    """Thousands of recoveries are meant here: their log lines would hide the rest."""
    logging.disable(logging.CRITICAL)


def _start_worker() -> None:
    quieten()
    # An interrupt is for the parent, which waits for the seeds that are under way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def sweep(kind: str, seed: int) -> Swept:
    """Run one seed, in whatever process. Its failure is text: not every error can be sent."""
    try:
        return Swept(kind, seed, run(kind, seed), "")
    except (Exception, ViolationError):  # noqa: BLE001 - the traceback is what is reported
        return Swept(kind, seed, 0, traceback.format_exc())


class Campaign:
    """Seeds on their way through the workers. Runs until `crashes` are judged, or one fails."""

    def __init__(self, kinds: list[str], seed: int, crashes: int) -> None:
        self._shares = {kind: SHARES[kind] for kind in kinds}
        self._next_seed = dict.fromkeys(kinds, seed)
        self._crashes = crashes
        self._judged: Counter[str] = Counter()
        self._handed_out: Counter[str] = Counter()
        self.results: list[Swept] = []

    def run(self, workers: int) -> None:
        """Fill `results`; the last has the failure, if there was one."""
        context = multiprocessing.get_context("spawn")
        with (
            ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool,
            progress_bar() as bar,
        ):
            task = bar.add_task("crashes", total=self._crashes)
            reported_s = time.monotonic()
            waiting = {self._submit(pool) for _ in range(workers * _AHEAD)}
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take(future.result())
                judged = self._judged.total()
                bar.update(task, completed=min(judged, self._crashes))
                if bar.disable and time.monotonic() - reported_s > _REPORT_INTERVAL_S:
                    reported_s = time.monotonic()
                    print(f"crash-sweep: {judged:,} judged", flush=True)
                if judged >= self._crashes or self.results[-1].failure:
                    pool.shutdown(cancel_futures=True)
                    break
                waiting |= {self._submit(pool) for _ in done}

    def _submit(self, pool: ProcessPoolExecutor) -> Future[Swept]:
        """The next seed of the kind that lags behind its share most."""
        kind = min(self._shares, key=self._progress_of)
        seed = self._next_seed[kind]
        self._next_seed[kind] += 1
        self._handed_out[kind] += 1
        return pool.submit(sweep, kind, seed)

    def _progress_of(self, kind: str) -> float:
        seeds = sum(result.kind == kind for result in self.results)
        mean = self._judged[kind] / seeds if seeds else 1
        return self._handed_out[kind] * mean / self._shares[kind]

    def _take(self, result: Swept) -> None:
        self._judged[result.kind] += result.judged
        self.results.append(result)


def progress_bar() -> Progress:
    """A bar on standard error, only where a person looks."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        disable=not sys.stderr.isatty(),
    )


def report(results: list[Swept]) -> int:
    """Print the outcome; returns the exit code."""
    judged: Counter[str] = Counter()
    for result in results:
        judged[result.kind] += result.judged
    parts = ", ".join(f"{count:,} {kind}" for kind, count in judged.items())
    failures = [result for result in results if result.failure]
    for result in failures[:1]:
        print(result.failure)
        print(f"crash-sweep: VIOLATION by seed {result.seed} of {result.kind}; replay:")
        print(f"    python scripts/crash_sweep.py --replay {result.kind}:{result.seed}")
    print(
        f"crash-sweep: {judged.total():,} simulated crashes recovered from and judged ({parts}),"
        f" {len(results)} seeds, {len(failures)} violations"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
