"""Compare Kiwi Engine with redis-server and Valkey, all at `appendfsync always` (glue).

    python benchmarks/compare.py            a few minutes; make bench
    python benchmarks/compare.py --quick    shorter runs, to see whether something is badly off

All servers run at the same time on the same file system; for each case they are measured in turn,
three times, so that a slow minute of the machine hits all of them. Redis' and Valkey's rewriting of
the append-only file is switched off, in their favour. The table goes to the terminal, and with the
single runs, the machine and the commit to `benchmarks/results/`. Exit code 2: it cannot run here.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine
from benchmarks.cases import CASES, KEYS, PRELOAD_VALUE_BYTES, Case, Measurement, parse_output
from benchmarks.report import SUBJECT, Comparison
from benchmarks.syncs import count_syncs
from tests.support import servers
from tests.support.servers import ServerProcess

RESULTS: Final = machine.ROOT / "benchmarks" / "results"
QUICK_SCALE: Final = 0.1
_REDIS_SETTINGS: Final[dict[str, str | int]] = {
    "appendonly": "yes",
    "appendfsync": "always",
    "auto-aof-rewrite-percentage": 0,
}
_PRELOAD_COMMANDS: Final = 1000


class CannotRunError(Exception):
    """Something that the comparison needs is missing here."""


def main(words: list[str] | None = None) -> int:
    """Measure, print the table, write the results."""
    arguments = parse(words)
    directory = Path(tempfile.mkdtemp(prefix="kiwi-bench-", dir=arguments.dir)).resolve()
    try:
        cases = [case for case in CASES if arguments.only in case.name]
        comparison = compare(directory, cases, arguments)
    except CannotRunError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(directory)
    print(comparison.as_markdown())
    for miss in comparison.misses():
        print(f"below its goal: {miss}")
    if not arguments.no_results:
        write(comparison, arguments.quick)
    return 0


def parse(words: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="compare.py", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="runs of a tenth of the length")
    parser.add_argument("--runs", type=int, default=3, help="runs of each case (default 3)")
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--dir", help="where the data goes (default: the temporary directory)")
    parser.add_argument("--no-results", action="store_true", help="write no files")
    parser.add_argument(
        "--kiwi-only", action="store_true", help="measure Kiwi Engine alone, without ratios"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of Kiwi Engine, e.g. runtime-mode=single; may be repeated",
    )
    arguments = parser.parse_args(words)
    if arguments.runs < 1:
        parser.error("--runs must be at least 1")
    if not any(arguments.only in case.name for case in CASES):
        parser.error(f"--only: no case contains {arguments.only!r}")
    if any("=" not in setting for setting in arguments.set):
        parser.error("--set needs KEY=VALUE")
    return arguments


def compare(directory: Path, cases: list[Case], arguments: argparse.Namespace) -> Comparison:
    """Run all cases on all servers."""
    if shutil.which("redis-benchmark") is None:
        raise CannotRunError("redis-benchmark is not installed (Debian: redis-tools)")
    if (kind := machine.file_system(directory)) in machine.MEMORY_FILE_SYSTEMS:
        raise CannotRunError(f"{directory} lies in memory ({kind}); choose a disk with --dir")
    settings = dict(setting.split("=", 1) for setting in arguments.set)
    with contextlib.ExitStack() as stack:
        started = {
            name: stack.enter_context(make(directory / name))
            for name, make in makers(settings, arguments.kiwi_only).items()
        }
        versions = {name: version(server) for name, server in started.items()}
        comparison = Comparison(machine.describe(directory), versions, cases)
        for case in cases:
            run_case(case, started, comparison, arguments)
        for name, server in started.items():
            syncs = count_syncs(server, directory / f"{name}.strace")
            if syncs is not None:
                comparison.syncs[name] = syncs
        return comparison


def makers(
    settings: Mapping[str, str], kiwi_only: bool
) -> dict[str, Callable[[Path], ServerProcess]]:
    """How to make each server; those that are not installed are left out, and it is said."""
    found: dict[str, Callable[[Path], ServerProcess]] = {
        SUBJECT: lambda path: servers.kiwi(path, {"appendfsync": "always", **settings})
    }
    if kiwi_only:
        return found
    if servers.find_redis_server():
        found["redis"] = lambda path: servers.redis_server(path, _REDIS_SETTINGS)
    if servers.find_valkey_server():
        found["valkey"] = lambda path: servers.valkey_server(path, _REDIS_SETTINGS)
    for name in {"redis", "valkey"} - found.keys():
        print(f"benchmark: {name} is not installed and is left out", file=sys.stderr)
    return found


def version(server: ServerProcess) -> str:
    """The server's own version from INFO."""
    with server.client() as client:
        fields = client.info("server")
    for name in ("kiwi_version", "valkey_version", "redis_version"):
        if name in fields:
            return fields[name]
    raise CannotRunError(f"{server.arguments[0]} tells no version")


def run_case(
    case: Case,
    started: Mapping[str, ServerProcess],
    comparison: Comparison,
    arguments: argparse.Namespace,
) -> None:
    """Measure one case on all servers in turn; another one is first each time."""
    if case.test == "get":
        for server in started.values():
            preload(server)
    names = list(started)
    for number in range(arguments.runs):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            measurement = measure(case, started[name], QUICK_SCALE if arguments.quick else 1)
            comparison.add(case, name, measurement)
            print(
                f"{case.name}, run {number + 1}, {name}: "
                f"{measurement.requests_per_second:,.0f}/s, p50 {measurement.p50_ms:.2f} ms, "
                f"p99 {measurement.p99_ms:.2f} ms",
                file=sys.stderr,
            )


def measure(case: Case, server: ServerProcess, scale: float) -> Measurement:
    """One run of redis-benchmark."""
    words = ["redis-benchmark", *case.arguments(server.port, scale)]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise CannotRunError(f"{' '.join(words)} failed: {result.stderr}{result.stdout}")
    return parse_output(result.stdout)


def preload(server: ServerProcess) -> None:
    """Give every key that redis-benchmark may ask for a value."""
    value = b"x" * PRELOAD_VALUE_BYTES
    with server.client() as client:
        for start in range(0, KEYS, _PRELOAD_COMMANDS):
            numbers = range(start, start + _PRELOAD_COMMANDS)
            replies = client.pipeline([("SET", f"key:{n:012d}", value) for n in numbers])
            if any(reply != b"OK" for reply in replies):
                raise CannotRunError(f"preloading failed: {replies[0]!r}")


def write(comparison: Comparison, quick: bool) -> None:
    """Write the JSON file and the page beside each other."""
    RESULTS.mkdir(exist_ok=True)
    date = comparison.machine["date"].translate(str.maketrans(" ", "-", ":")).removesuffix("-UTC")
    name = f"{date}-{comparison.machine['commit']}{'-quick' if quick else ''}"
    (RESULTS / f"{name}.json").write_text(json.dumps(comparison.as_data(), indent=2) + "\n")
    (RESULTS / f"{name}.md").write_text(comparison.as_markdown())
    print(f"written to {RESULTS / name}.json and .md")


if __name__ == "__main__":
    sys.exit(main())
