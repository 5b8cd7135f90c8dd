"""The crash test of embedded engines: what it accepts, and that it would notice a loss."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import pytest

from tests.support.embedded_round import EmbeddedCrashTest
from tests.support.embedded_workload import operations


def make_test(directory: Path) -> EmbeddedCrashTest:
    seed = random.SystemRandom().randrange(2**31)
    print(f"seed {seed}")
    return EmbeddedCrashTest(directory, seed=seed, threads=3)


def test_the_work_of_a_thread_can_be_told_again() -> None:
    first, again, other = (
        list(islice(operations(seed, "t0"), 200)) for seed in ("1:1", "1:1", "1:2")
    )
    assert first == again != other
    assert {kind for kind, _ in first} >= {"put", "batch", "delete", "scan", "snapshot"}


def test_a_killed_program_loses_nothing(tmp_path: Path) -> None:
    test = make_test(tmp_path)
    try:
        for number in range(1, 4):
            assert test.run_round(number).violations == []
    finally:
        test.kill()
    assert test.acknowledged_count > 0


def test_what_is_said_to_be_done_and_is_not_there_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = make_test(tmp_path)
    note = test._note

    def note_too_much(lines: list[str], seed: str) -> list[str]:
        done = max((int(line.split()[1]) for line in lines if line.startswith("t0 ")), default=0)
        return note([*lines, f"t0 {done + 50} 0"], seed)

    monkeypatch.setattr(test, "_note", note_too_much)
    try:
        violations = test.run_round(1).violations
    finally:
        test.kill()
    assert any("present key" in violation for violation in violations)
