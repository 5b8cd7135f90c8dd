"""Cut the power of a real server's disk again and again, and check what it recovers (glue).

    sudo python scripts/power_failure.py --rounds 20

The data directory is an ext4 file system on a loop device whose volatile cache is lost (see
`tests/support/loop_volume.py`). Concurrent clients write through real sockets to both processes of
`kiwi-engine serve`, with RocksDB below. At a random moment, or at a failpoint in the commit path,
everything stops and the device loses all, half or nothing of what it had not flushed. After the
file system has replayed its journal a new server recovers, all keys are read back and compared with
a three-valued oracle: every acknowledged write is there, nothing is there that was never sent, and
requests are there as a whole or not at all.

Exit code 0 without violations, 1 with them, 2 for wrong usage. Where nothing can be mounted it says
why and ends with 0, or with 1 if `--required`.
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

from tests.support.crash_report import run_rounds
from tests.support.crash_round import CrashTest
from tests.support.loop_volume import MEBIBYTE, PowerDevice, why_not
from tests.support.power_cut import POWER_CUTS, PowerCut
from tests.support.termination import interrupt_on_sigterm

DEVICE_BYTES: Final = 160 * MEBIBYTE
# The reserve that a server keeps free by default is more than the whole device.
DISK_RESERVE: Final = MEBIBYTE
ROUNDS_BETWEEN_RESTORES: Final = 7


def main(words: list[str] | None = None) -> int:
    """Run the rounds and print one line each; returns the exit code."""
    arguments = parse(words)
    interrupt_on_sigterm()
    if reason := why_not():
        print(f"power-failure: skipped: {reason}")
        return 1 if arguments.required else 0
    directory = Path(tempfile.mkdtemp(prefix="kiwi-power-"))
    print(f"power-failure: directory {directory}; replay: {replay(arguments)}", flush=True)
    with PowerDevice(directory, DEVICE_BYTES) as device:
        test = CrashTest(
            directory,
            seed=arguments.seed,
            victim="all",
            clients=arguments.clients,
            settings={
                "runtime-mode": arguments.mode,
                "appendfsync": arguments.appendfsync,
                "disk-reserve": DISK_RESERVE,
            },
            place=device.mounted,
            crash=PowerCut(device),
            crashes=POWER_CUTS,
            rounds_between_restores=ROUNDS_BETWEEN_RESTORES,
        )
        try:
            violations = run_rounds(test, arguments.rounds, "power-failure")
        finally:
            test.kill()
        if violations:
            shutil.copytree(device.mounted, directory / "evidence")
    if violations:
        print(f"power-failure: what was recovered, and the server's output: {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if violations else 0


def parse(words: list[str] | None) -> argparse.Namespace:
    """The command line; a seed is drawn if none is given."""
    parser = argparse.ArgumentParser(
        prog="power_failure.py", description="Cut the power of a server's disk and check recovery."
    )
    parser.add_argument("--rounds", type=int, default=20, help="cuts to survive (default 20)")
    parser.add_argument(
        "--mode", choices=("dual", "single"), default="dual", help="runtime-mode (default dual)"
    )
    parser.add_argument(
        "--appendfsync",
        choices=("always", "everysec", "no"),
        default="always",
        help="the others lose writes, as they say; to see this test find it (default always)",
    )
    parser.add_argument("--seed", type=int, help="replays the choices of a run")
    parser.add_argument("--clients", type=int, default=6, help="connections (default 6)")
    parser.add_argument("--required", action="store_true", help="fail where nothing can be mounted")
    arguments = parser.parse_args(words)
    if arguments.rounds < 1 or arguments.clients < 1:
        parser.error("--rounds and --clients must be at least 1")
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(2**31)
    return arguments


def replay(arguments: argparse.Namespace) -> str:
    """The command line that makes the same choices again."""
    return (
        f"python scripts/power_failure.py --rounds {arguments.rounds} --mode {arguments.mode} "
        f"--appendfsync {arguments.appendfsync} --clients {arguments.clients} "
        f"--seed {arguments.seed}"
    )


if __name__ == "__main__":
    sys.exit(main())
