"""Back up a server under full write load, show what that costs, restore, and judge (glue).

    python scripts/backup_under_load.py --seconds 10

Writers send all they can, a quarter of it values for the value log. Printed is how long a pipeline
of 32 commands took without a backup, during full ones and during incremental ones. Then the last
backup is restored, alone and with the archived log, and both must be exactly a prefix of the log:
of every connection the same one.

Exit code 0 if all is well; 1 if not, or if no backup could be made (the directory is kept); 2 for
wrong usage.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kiwi_engine.cli.main import main as kiwi_main
from kiwi_engine.clock import monotonic_ns, sleep
from tests.support.client import Client
from tests.support.prefix_load import PrefixLoad
from tests.support.servers import ServerProcess, kiwi

_POLL_SECONDS: Final = 0.01
_PAUSE_SECONDS: Final = 0.5
# (began, ended) by the monotonic clock, and what it is called.
Span = tuple[int, int, str]


def main(words: list[str] | None = None) -> int:
    """Run it; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of load without a backup")
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--backups", type=int, default=4, help="of each kind")
    arguments = parser.parse_args(words)
    place = Path(tempfile.mkdtemp(prefix="kiwi-backup-"))
    server = kiwi(place / "data", {"wal-archive-dir": str(place / "archive")})
    try:
        server.start()
        load, at_least = run(server, place, arguments)
        server.stop()
        problems = judge(place, load, at_least)
    finally:
        server.kill()
    for problem in problems:
        print(f"VIOLATION {problem}")
    if problems:
        print(f"backup under load: everything is kept in {place}")
        return 1
    shutil.rmtree(place)
    return 0


def run(
    server: ServerProcess, place: Path, arguments: argparse.Namespace
) -> tuple[PrefixLoad, int]:
    """Load and back up; returns the load and the INCRs that the last backup must hold."""
    load = PrefixLoad(server.port, arguments.writers)
    spans: list[Span] = []
    began_ns, at_least = monotonic_ns(), 0
    sleep(arguments.seconds)
    spans.append((began_ns, monotonic_ns(), "no backup"))
    with server.client() as client:
        for number in range(2 * arguments.backups):
            is_full = number % 2 == 0
            target = place / f"backup-{number // 2}"
            at_least = load.acknowledged
            spans.append(back_up(client, target, is_full=is_full))
            sleep(_PAUSE_SECONDS)
    load.stop()
    show(load, spans)
    (place / f"backup-{arguments.backups - 1}").rename(place / "backup")
    return load, at_least


def back_up(client: Client, target: Path, *, is_full: bool) -> Span:
    """One backup; its span."""
    options = [] if is_full else ["INCREMENTAL"]
    began_ns = monotonic_ns()
    reply = client.command("KIWI", "BACKUP", str(target), *options)
    assert reply == b"OK", reply
    while True:
        status = client.command("KIWI", "BACKUP-STATUS")
        facts = dict(zip(status[::2], status[1::2], strict=True))
        if not facts[b"in_progress"]:
            break
        sleep(_POLL_SECONDS)
    assert not facts[b"failure"], facts[b"failure"]
    ended_ns, kind = monotonic_ns(), "full" if is_full else "incremental"
    print(
        f"{kind:<12} {(ended_ns - began_ns) / 1e9:6.2f} s, LSN {facts[b'last_last_lsn']}, "
        f"{facts[b'last_total_bytes'] >> 20} MiB, {facts[b'last_written_bytes'] >> 20} MiB new",
        flush=True,
    )
    return began_ns, ended_ns, kind


def show(load: PrefixLoad, spans: Sequence[Span]) -> None:
    """How long pipelines took that were under way in each kind of span."""
    turns = [turn for writer in load.writers for turn in writer.turns]
    print(f"{'':<12} pipelines/s  p50 ms  p99 ms  max ms")
    for kind in ("no backup", "full", "incremental"):
        within = [(begin, end) for begin, end, name in spans if name == kind]
        took_ms = sorted(
            took_ns / 1e6
            for began_ns, took_ns in turns
            if any(began_ns < end and began_ns + took_ns > begin for begin, end in within)
        )
        seconds = sum(end - begin for begin, end in within) / 1e9
        p50, p99 = (took_ms[int(len(took_ms) * share)] for share in (0.5, 0.99))
        rate = len(took_ms) / seconds
        print(f"{kind:<12} {rate:11.0f} {p50:7.1f} {p99:7.1f} {took_ms[-1]:7.1f}")


def judge(place: Path, load: PrefixLoad, at_least: int) -> list[str]:
    """Restore the last backup, alone and with the archive, and look at both."""
    problems = []
    for name, options, expected in [
        ("alone", [], at_least),
        ("with-archive", ["--archive", str(place / "archive")], load.acknowledged),
    ]:
        target = place / name
        code = kiwi_main(["restore", str(place / "backup"), str(target), *options])
        if code != 0:
            problems.append(f"restoring {name}: exit code {code}")
            continue
        with kiwi(target) as server, server.client() as client:
            try:
                found = load.judge(client, expected)
            except AssertionError as violation:
                problems.append(f"restored {name}: {violation}")
            else:
                print(f"restored {name}: exactly the first {found} of {load.acknowledged} rounds")
    return problems


if __name__ == "__main__":
    sys.exit(main())
