"""Compare random command sequences with real servers, for as long as one likes (glue).

    python scripts/differential.py --minutes 60
    python scripts/differential.py --family streams --sequences 100000
    python scripts/differential.py --family hashes --seed 7 --sequences 2000

The same grammars as tests/differential/test_families.py, in both versions of the protocol and with
collections stored whole and split. Each round takes a new seed and is printed; a round is repeated
by its seed. `KIWI_DIFFERENTIAL_SERVER=host:port` compares a running Kiwi Engine, whose databases
are emptied.

Exit code 0 without differences, 1 with one (the smallest sequence is printed), 2 for wrong usage or
where no reference server is installed.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kiwi_engine import clock
from tests.differential.arena import small_arena
from tests.differential.families import FAMILIES
from tests.differential.families.family import Family
from tests.differential.runs import Arena, DifferenceFoundError, check_family
from tests.support.termination import interrupt_on_sigterm

SEQUENCES_A_ROUND: Final = 2000


def main(words: list[str] | None = None) -> int:
    """Run rounds until the time or the number is reached; returns the exit code."""
    arguments = parse(words)
    interrupt_on_sigterm()
    families = [one for one in FAMILIES if one.name in arguments.family]
    with (
        tempfile.TemporaryDirectory(prefix="kiwi-differential-") as directory,
        small_arena(Path(directory)) as arena,
    ):
        if not arena.references:
            print("differential: neither redis-server nor Valkey is installed", file=sys.stderr)
            return 2
        return run(arena, families, arguments)


def run(arena: Arena, families: Sequence[Family], arguments: argparse.Namespace) -> int:
    """Rounds of each family in turn; 1 at the first difference."""
    end_ns = clock.monotonic_ns() + arguments.minutes * 60e9
    checked = 0
    for seed in itertools.count(arguments.seed):
        if checked >= arguments.sequences or clock.monotonic_ns() > end_ns:
            break
        count = min(SEQUENCES_A_ROUND, arguments.sequences - checked)
        for family in families:
            replay = f"--family {family.name} --seed {seed} --sequences {count}"
            try:
                found = check_family(family, arena, count, seed)
            except DifferenceFoundError as error:
                print(f"differential: {error}\nreplay: scripts/differential.py {replay}")
                return 1
            print(f"differential: {found} sequences agree: {replay}", flush=True)
        checked += count
    print(f"differential: {checked} sequences of each of {len(families)} families, no difference")
    return 0


def parse(words: list[str] | None) -> argparse.Namespace:
    """The command line; a seed is drawn if none is given."""
    names = [family.name for family in FAMILIES]
    parser = argparse.ArgumentParser(
        prog="differential.py", description="Compare random commands with real servers."
    )
    parser.add_argument(
        "--family", action="append", choices=names, help="one family (may be repeated); or all"
    )
    parser.add_argument("--minutes", type=float, help="stop after a round that ends later")
    parser.add_argument("--sequences", type=int, help="of each family (default 2000)")
    parser.add_argument("--seed", type=int, help="of the first round; the next one has the next")
    arguments = parser.parse_args(words)
    arguments.family = arguments.family or names
    if arguments.minutes is None and arguments.sequences is None:
        arguments.sequences = SEQUENCES_A_ROUND
    if arguments.minutes is None:
        arguments.minutes = float("inf")
    if arguments.sequences is None:
        arguments.sequences = sys.maxsize
    if arguments.sequences < 1 or arguments.minutes <= 0:
        parser.error("--sequences and --minutes must be positive")
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(2**31)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
