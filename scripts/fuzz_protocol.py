"""Send hostile bytes to a server and to a Redis, for as long as one likes (glue).

    python scripts/fuzz_protocol.py --seconds 3600
    python scripts/fuzz_protocol.py --seed 17 --rounds 1           # one input again
    python scripts/fuzz_protocol.py --address 127.0.0.1:7379       # a server that runs already

Each round sends the bytes of one seed to both, each over a new connection, and compares all that
comes back until the close. The databases of the server are emptied.

Exit code 0 without differences, 1 with one (its seed is printed), 2 for wrong usage or where
redis-server is not installed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from random import SystemRandom
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kiwi_engine import clock
from tests.support.hostile_rounds import SETTINGS, compare
from tests.support.servers import find_redis_server, kiwi, redis_server
from tests.support.termination import interrupt_on_sigterm

_REPORT_INTERVAL: Final = 1000


def main(words: list[str] | None = None) -> int:
    """Rounds until the time or their number is reached; returns the exit code."""
    arguments = parse(words)
    interrupt_on_sigterm()
    if find_redis_server() is None:
        print("fuzz_protocol: redis-server is not installed", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kiwi-fuzz-")))
        reference = stack.enter_context(redis_server(directory / "redis", SETTINGS))
        port = int(arguments.address.rpartition(":")[2]) if arguments.address else 0
        if not port:
            port = stack.enter_context(kiwi(directory / "kiwi", SETTINGS)).port
        return run(reference.port, port, arguments)


def run(reference_port: int, port: int, arguments: argparse.Namespace) -> int:
    """1 at the first difference."""
    end_ns = clock.monotonic_ns() + int(arguments.seconds * 1e9)
    print(f"fuzz_protocol: from seed {arguments.seed}", flush=True)
    rounds = 0
    for seed in itertools.count(arguments.seed):
        if rounds >= arguments.rounds or clock.monotonic_ns() > end_ns:
            break
        difference = compare(reference_port, port, seed)
        if difference:
            print(f"fuzz_protocol: {difference}\nreplay: --seed {seed} --rounds 1")
            return 1
        rounds += 1
        if rounds % _REPORT_INTERVAL == 0:
            print(f"fuzz_protocol: {rounds} inputs, up to seed {seed}", flush=True)
    print(f"fuzz_protocol: {rounds} inputs, no difference")
    return 0


def parse(words: list[str] | None) -> argparse.Namespace:
    """The command line; a seed is drawn if none is given."""
    parser = argparse.ArgumentParser(
        prog="fuzz_protocol.py", description="Hostile bytes for a server and a Redis."
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: 60)")
    parser.add_argument("--rounds", type=int, default=sys.maxsize, help="inputs at most")
    parser.add_argument(
        "--seed", type=int, default=SystemRandom().randrange(10**9), help="of the first input"
    )
    parser.add_argument(
        "--address", help="host:port of a server on this machine; or one is started"
    )
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
