"""Failpoints kill exactly where, when and as often as asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kiwi_engine import failpoints
from kiwi_engine.errors import ConfigError

PROGRAM = """
from kiwi_engine import failpoints
for number in range(5):
    failpoints.hit("drain")
    failpoints.hit("wal-sync")
    print(number, flush=True)
"""


def run(value: str | None) -> subprocess.CompletedProcess[str]:
    environment = {key: item for key, item in os.environ.items() if key != failpoints.VARIABLE}
    if value is not None:
        environment[failpoints.VARIABLE] = value
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_happens_when_unset() -> None:
    result = run(None)
    assert result.returncode == 0
    assert result.stdout.split() == ["0", "1", "2", "3", "4"]
    assert failpoints.resolve("") is failpoints.resolve(None)


@pytest.mark.parametrize("count", [1, 3])
def test_kills_at_the_counted_pass(count: int) -> None:
    result = run(f"wal-sync:{count}")
    assert result.returncode == -signal.SIGKILL
    assert len(result.stdout.split()) == count - 1


def test_a_marker_lets_it_fire_only_once(tmp_path: Path) -> None:
    marker = tmp_path / "with:colon"
    assert run(f"drain:2:{marker}").returncode == -signal.SIGKILL
    assert marker.exists()
    assert run(f"drain:2:{marker}").returncode == 0


def test_removing_the_marker_arms_it_again(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    assert run(f"drain:1:{marker}").returncode == 0
    marker.unlink()
    assert run(f"drain:1:{marker}").returncode == -signal.SIGKILL


def test_the_first_of_several_wins() -> None:
    result = run("drain:4,wal-sync:2")
    assert result.returncode == -signal.SIGKILL
    assert result.stdout.split() == ["0"]


@pytest.mark.parametrize(
    "value",
    [
        "drain:1,",
        "drain:1,,wal-sync:1",
        "drain",
        "drain:",
        "drain:0",
        "drain:-1",
        "drain:x",
        "drain:²",
        "nothing:1",
        ":1",
    ],
)
def test_an_ill_formed_value_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="KIWI_FAILPOINT"):
        failpoints.resolve(value)


def test_an_unlisted_name_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="NAMES"):
        failpoints.resolve("drain:1")("no-such-place")
