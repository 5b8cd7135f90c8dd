"""Hold the measured coverage to what the documents claim (shell).

The parts on which durability hangs must be covered completely, every branch of them; all of the
program up to a floor. Reads what `coverage run` has left; exit code 1 names what is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from coverage import Coverage
from coverage.exceptions import NoDataError

# Every line and every branch. A pattern that matches no file is an error, too.
COMPLETE: Final = (
    "kiwi_engine/wal/*.py",
    "kiwi_engine/vlog/*.py",
    "kiwi_engine/commit/*.py",
    "kiwi_engine/fs/segment*.py",
    "kiwi_engine/fs/read_ahead.py",
    "kiwi_engine/engine/recovery/*.py",
    "kiwi_engine/engine/backup/*.py",
    "kiwi_engine/engine/archive/*.py",
    "kiwi_engine/engine/restore/*.py",
    "kiwi_engine/engine/collection/*.py",
    "kiwi_engine/engine/log_tail.py",
    "kiwi_engine/engine/pins.py",
    "kiwi_engine/index/table_*.py",
    "kiwi_engine/index/block_compression.py",
)
FLOOR_PERCENT: Final = 95.0


def measured() -> dict[str, Any]:
    """The report of the `coverage` package as it writes it in JSON."""
    coverage = Coverage()
    coverage.load()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "coverage.json")
        coverage.json_report(outfile=str(path))
        report: dict[str, Any] = json.loads(path.read_text())
    return report


def missing(file: dict[str, Any]) -> str:
    """Lines, and branches as "from->to", that no test has taken; "" if all were."""
    lines = [str(line) for line in file["missing_lines"]]
    branches = [f"{begin}->{end}" for begin, end in file["missing_branches"]]
    return ", ".join([*lines, *branches])


def problems(report: dict[str, Any], complete: tuple[str, ...], floor: float) -> list[str]:
    """Everything that is not as it must be (pure)."""
    files: dict[str, Any] = report["files"]
    found = []
    for pattern in complete:
        paths = [path for path in files if fnmatch(path, pattern)]
        if not paths:
            found.append(f"{pattern}: there is no such file")
        found += [
            f"{path}: never run: {left}" for path in sorted(paths) if (left := missing(files[path]))
        ]
    percent = report["totals"]["percent_covered"]
    if percent < floor:
        found.append(f"all of the program: {percent:.2f} % is below {floor} %")
    return found


def table(report: dict[str, Any], complete: tuple[str, ...]) -> list[str]:
    """What each pattern stands for, when all of it is covered (pure)."""
    files: dict[str, Any] = report["files"]
    lines = [f"{'all covered':<36} {'files':>5} {'statements':>10} {'branches':>8}"]
    chosen: set[str] = set()
    for pattern in complete:
        paths = {path for path in files if fnmatch(path, pattern)}
        chosen |= paths
        lines.append(_row(pattern, files, paths))
    percent = report["totals"]["percent_covered"]
    return [*lines, _row("together", files, chosen), f"all of the program: {percent:.2f} %"]


def _row(name: str, files: dict[str, Any], paths: set[str]) -> str:
    summaries = [files[path]["summary"] for path in paths]
    statements = sum(summary["num_statements"] for summary in summaries)
    branches = sum(summary["num_branches"] for summary in summaries)
    return f"{name:<36} {len(paths):>5} {statements:>10} {branches:>8}"


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        report = measured()
    except NoDataError as error:
        print(f"{error} `make coverage` measures.", file=sys.stderr)
        return 1
    found = problems(report, COMPLETE, FLOOR_PERCENT)
    if found:
        print("\n".join(found), file=sys.stderr)
        return 1
    print("\n".join(table(report, COMPLETE)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
