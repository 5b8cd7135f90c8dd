"""Kill a real server again and again, and check that nothing acknowledged was lost (glue).

    python scripts/crash_recovery.py --rounds 50
    python scripts/crash_recovery.py --rounds 50 --victim storage
    python scripts/crash_recovery.py --rounds 50 --victim embedded

Concurrent clients send SET, MSET pairs, INCR and DEL over real sockets, and change collections of
every type: hashes, sets, sorted sets, lists, streams with a group, bitmaps, HyperLogLogs, also with
commands on two keys such as LMOVE, SMOVE and COPY. In each round everything, or the storage process
alone, is killed with SIGKILL: at a random moment, or at a failpoint in the commit path, in a
collection of the value log, in a backup or in the archive, which all go on meanwhile. After the
restart all keys are read back and compared with a three-valued oracle. Of collections everything
that can be asked is asked, and must agree: counts with contents, ranks with scores. Where only
storage is killed the connections must also stay open and answer every request exactly once. Every
few rounds the backup is restored, alone and with the archive: that must give a state that was. Most
of these restores are killed at a failpoint of their own, and made again.

`--victim embedded` kills a program whose threads put, delete, write batches, count in transactions
and scan through `kiwi_engine.open`, and opens what it leaves.

Exit code 0 without violations, 1 with them (the data directory is kept), 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.crash_report import Rounds, run_rounds
from tests.support.crash_round import CrashTest
from tests.support.embedded_round import EmbeddedCrashTest
from tests.support.termination import interrupt_on_sigterm


def main(words: list[str] | None = None) -> int:
    """Run the rounds and print one line each; returns the exit code."""
    arguments = parse(words)
    interrupt_on_sigterm()
    directory = Path(arguments.dir or tempfile.mkdtemp(prefix="kiwi-crash-")).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    print(f"crash-recovery: directory {directory}; replay: {replay(arguments)}", flush=True)
    test = make_test(arguments, directory)
    try:
        violations = run_rounds(test, arguments.rounds, "crash-recovery")
    finally:
        test.kill()
    if violations:
        print(f"crash-recovery: data and server output are kept in {directory}")
    elif not arguments.dir:
        shutil.rmtree(directory)
    return 1 if violations else 0


def make_test(arguments: argparse.Namespace, directory: Path) -> Rounds:
    """What the rounds are made of."""
    if arguments.victim == "embedded":
        return EmbeddedCrashTest(directory, seed=arguments.seed, threads=arguments.clients)
    return CrashTest(
        directory,
        seed=arguments.seed,
        victim=arguments.victim,
        clients=arguments.clients,
        settings={"runtime-mode": arguments.mode},
    )


def parse(words: list[str] | None) -> argparse.Namespace:
    """The command line; a seed is drawn if none is given."""
    parser = argparse.ArgumentParser(
        prog="crash_recovery.py", description="SIGKILL a real server and check what it recovers."
    )
    parser.add_argument("--rounds", type=int, default=20, help="crashes to survive (default 20)")
    parser.add_argument(
        "--victim",
        choices=("all", "storage", "embedded"),
        default="all",
        help="what is killed: a server, its storage process, or a program with an engine in it "
        "(default all)",
    )
    parser.add_argument(
        "--mode", choices=("dual", "single"), default="dual", help="runtime-mode (default dual)"
    )
    parser.add_argument("--seed", type=int, help="replays the choices of a run")
    parser.add_argument(
        "--clients", type=int, default=6, help="connections, or threads (default 6)"
    )
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


if __name__ == "__main__":
    sys.exit(main())
