"""Make every fault that the two runtimes must survive, on real servers, and judge (glue).

    python scripts/runtime_faults.py                              about two minutes
    python scripts/runtime_faults.py --size full                  a quarter of an hour
    python scripts/runtime_faults.py --fault killed --fault hung --seed 7

    stopped     SIGSTOP of the storage process: PING goes on, writes wait and succeed
    killed      SIGKILL of the storage process under load, again and again
    hung        it hangs for longer than `request-timeout`: every request gets a true answer
    slow-sync   each `fdatasync` takes 200 ms longer (needs strace)
    orphaned    SIGKILL of the supervisor: the directory is free again, with all its writes
    worker      SIGKILL and SIGSTOP of one of several network processes: the others serve on
    deaf        clients that do not read their replies
    endless     clients that send without end
    pipelines   pipelines of 1 MB of small commands
    idle        thousands of connections that do nothing
    half-sent   a hundred bulk strings of 512 MB that are never sent to their end

Each has a server and a directory of its own. Printed is one line for each, with what was measured:
times stand beside their goal, and are a violation only far beyond it.

Exit code 0 if every promise was kept or its fault skipped; 1 if one was not (the directory, with
the output of the servers, is kept); 2 for wrong usage.
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

from tests.support.runtime_faults.catalogue import FAULTS, Outcome, run_fault
from tests.support.termination import interrupt_on_sigterm

VIOLATIONS_SHOWN_MAX: Final = 20


def main(words: list[str] | None = None) -> int:
    """Run the faults that were asked for; returns the exit code."""
    arguments = parse(words)
    interrupt_on_sigterm()
    place = Path(arguments.dir or tempfile.mkdtemp(prefix="kiwi-faults-")).resolve()
    print(f"runtime-faults: directory {place}; replay: {replay(arguments)}", flush=True)
    violated = []
    for name in arguments.fault:
        directory = place / name
        directory.mkdir(parents=True)
        outcome = run_fault(name, directory, arguments.size, arguments.seed)
        report(outcome)
        if outcome.violations:
            violated.append(name)
        else:
            shutil.rmtree(directory)
    print(f"runtime-faults: {len(arguments.fault)} faults, {len(violated)} violated promises")
    if violated:
        print(f"runtime-faults: data and server output are kept in {place}: {', '.join(violated)}")
    elif not arguments.dir:
        shutil.rmtree(place)
    return 1 if violated else 0


def report(outcome: Outcome) -> None:
    """One line, and one for each violation."""
    facts = [f"skipped: {outcome.skipped}"] if outcome.skipped else list(outcome.figures)
    print(
        f"{outcome.name:<10} {outcome.verdict:<9}{outcome.seconds:6.1f} s  {'; '.join(facts)}",
        flush=True,
    )
    for violation in outcome.violations[:VIOLATIONS_SHOWN_MAX]:
        print(f"  VIOLATION {violation}")
    hidden = len(outcome.violations) - VIOLATIONS_SHOWN_MAX
    if hidden > 0:
        print(f"  and {hidden} more")


def parse(words: list[str] | None) -> argparse.Namespace:
    """The command line; a seed is drawn if none is given."""
    parser = argparse.ArgumentParser(
        prog="runtime_faults.py", description="Make faults on real servers and judge the outcome."
    )
    parser.add_argument(
        "--fault", action="append", choices=FAULTS, help="only this one; may be repeated"
    )
    parser.add_argument("--size", choices=("small", "full"), default="small", help="default: small")
    parser.add_argument("--seed", type=int, help="replays the choices of a run")
    parser.add_argument("--dir", help="an empty directory to use, and to keep")
    arguments = parser.parse_args(words)
    arguments.fault = list(dict.fromkeys(arguments.fault or FAULTS))
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(2**31)
    return arguments


def replay(arguments: argparse.Namespace) -> str:
    """The command line that makes the same choices again."""
    faults = " ".join(f"--fault {name}" for name in arguments.fault)
    return (
        f"python scripts/runtime_faults.py {faults} --size {arguments.size} --seed {arguments.seed}"
    )


if __name__ == "__main__":
    sys.exit(main())
