"""Ctrl-C at any moment: nothing hangs, nothing is half written, nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", [1, 2])
def test_interrupts_at_any_moment(tmp_path: Path, seed: int) -> None:
    program = [sys.executable, "-m", "tests.embedded.interrupted", str(seed), str(tmp_path), "4"]
    # Not measured: an interrupt inside of the tracer leaves its lock taken, and all threads wait.
    environment = {name: text for name, text in os.environ.items() if "COVERAGE" not in name}
    ended = subprocess.run(
        program,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout.removeprefix("interrupts:")) > 5
