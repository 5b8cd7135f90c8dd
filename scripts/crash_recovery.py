"""Kill a real server again and again, and check that nothing acknowledged was lost (glue).

    python scripts/crash_recovery.py --rounds 50
    python scripts/crash_recovery.py --rounds 50 --victim storage

Concurrent clients send SET, MSET pairs, INCR and DEL over real sockets. In each round everything,
or the storage process alone, is killed with SIGKILL: at a random moment, or at a failpoint in the
commit path. After the restart all keys are read back and compared with a three-valued oracle; where
only storage is killed the connections must also stay open and answer every request exactly once.

Exit code 0 without violations, 1 with them (the data directory is kept), 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.crash_round import CrashTest, Round

VIOLATIONS_SHOWN_MAX: Final = 20


def main(words: list[str] | None = None) -> int:
    """Run the rounds and print one line each; returns the exit code."""
    arguments = parse(words)
    directory = Path(arguments.dir or tempfile.mkdtemp(prefix="kiwi-crash-")).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    print(f"crash-recovery: directory {directory}; replay: {replay(arguments)}", flush=True)
    test = CrashTest(
        directory,
        seed=arguments.seed,
        victim=arguments.victim,
        clients=arguments.clients,
        settings={"runtime-mode": arguments.mode},
    )
    try:
        violations = run_rounds(test, arguments.rounds)
    finally:
        test.kill()
    print(
        f"crash-recovery: {arguments.rounds} rounds, {test.acknowledged_count} acknowledged "
        f"writes, {len(violations)} violations"
    )
    if violations:
        print(f"crash-recovery: data and server output are kept in {directory}")
    elif not arguments.dir:
        shutil.rmtree(directory)
    return 1 if violations else 0


def parse(words: list[str] | None) -> argparse.Namespace:
    """The command line; a seed is drawn if none is given."""
    parser = argparse.ArgumentParser(
        prog="crash_recovery.py", description="SIGKILL a real server and check what it recovers."
    )
    parser.add_argument("--rounds", type=int, default=20, help="crashes to survive (default 20)")
    parser.add_argument(
        "--victim", choices=("all", "storage"), default="all", help="what is killed (default all)"
    )
    parser.add_argument(
        "--mode", choices=("dual", "single"), default="dual", help="runtime-mode (default dual)"
    )
    parser.add_argument("--seed", type=int, help="replays the choices of a run")
    parser.add_argument("--clients", type=int, default=6, help="connections (default 6)")
    parser.add_argument("--dir", help="an empty or earlier directory to use, and to keep")
    arguments = parser.parse_args(words)
    if arguments.rounds < 1 or arguments.clients < 1:
        parser.error("--rounds and --clients must be at least 1")
    if arguments.mode == "single" and arguments.victim == "storage":
        parser.error("in single mode there is no storage process to kill alone")
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(2**31)
    return arguments


def replay(arguments: argparse.Namespace) -> str:
    """The command line that makes the same choices again."""
    return (
        f"python scripts/crash_recovery.py --rounds {arguments.rounds} "
        f"--victim {arguments.victim} --mode {arguments.mode} --clients {arguments.clients} "
        f"--seed {arguments.seed}"
    )


def run_rounds(test: CrashTest, count: int) -> list[str]:
    """All violations of `count` rounds and of the graceful stop after them."""
    violations: list[str] = []
    reached: set[str] = set()
    for number in range(1, count + 1):
        before = test.acknowledged_count
        result = test.run_round(number)
        report(result, count, test.acknowledged_count - before)
        violations += result.violations
        if result.reached:
            reached.add(result.failpoint)
        if result.violations:
            # What was found is judged once: later rounds would repeat it.
            break
    else:
        violations += test.close()
    print(f"crash-recovery: failpoints reached: {', '.join(sorted(reached)) or 'none'}")
    print(f"crash-recovery: error replies during crashes: {dict(test.refusals) or 'none'}")
    return violations


def report(result: Round, count: int, acknowledged: int) -> None:
    """One line a round, and its violations."""
    print(
        f"round {result.number}/{count}: {result.describe()}, {acknowledged} acknowledged, "
        f"{len(result.violations)} violations",
        flush=True,
    )
    for violation in result.violations[:VIOLATIONS_SHOWN_MAX]:
        print(f"  VIOLATION {violation}", flush=True)
    hidden = len(result.violations) - VIOLATIONS_SHOWN_MAX
    if hidden > 0:
        print(f"  and {hidden} more", flush=True)


if __name__ == "__main__":
    sys.exit(main())
