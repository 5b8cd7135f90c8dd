"""The script around the faults: what it prints, keeps and returns, and what a trial convicts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import runtime_faults
from tests.support.latencies import Latency
from tests.support.memory_peak import MemoryPeak
from tests.support.runtime_faults import catalogue
from tests.support.runtime_faults.trial import Fault, SkippedError, Trial, allow_descriptors


def kept(trial: Trial) -> None:
    trial.figures.append(f"seed {trial.seed}, size {trial.size}")


def broken(trial: Trial) -> None:
    trial.figures.append("one figure")
    trial.expect(False, "a promise was not kept")


def failing(trial: Trial) -> None:
    raise AssertionError("it does not answer")


def impossible(trial: Trial) -> None:
    raise SkippedError("not on this machine")


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs the script with faults that need no server; its exit code and what it printed."""
    faults: dict[str, Fault] = {
        "kept": kept,
        "broken": broken,
        "failing": failing,
        "impossible": impossible,
    }
    monkeypatch.setattr(catalogue, "FAULTS", faults)
    monkeypatch.setattr(runtime_faults, "FAULTS", faults)

    def run(*names: str) -> tuple[int, str]:
        words = [word for name in names for word in ("--fault", name)]
        code = runtime_faults.main([*words, "--seed", "7", "--dir", str(tmp_path / "place")])
        return code, capsys.readouterr().out

    return run


def test_a_kept_promise_leaves_nothing_behind(run: Run, tmp_path: Path) -> None:
    code, output = run("kept", "kept")
    assert code == 0
    assert "kept       ok" in output
    assert "seed 7:kept, size small" in output
    assert "replay: python scripts/runtime_faults.py --fault kept --size small --seed 7" in output
    assert list((tmp_path / "place").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [("broken", "a promise was not kept"), ("failing", "AssertionError: it does not answer")],
)
def test_a_broken_promise_is_told_and_kept(run: Run, tmp_path: Path, name: str, text: str) -> None:
    code, output = run("kept", name)
    assert code == 1
    assert f"  VIOLATION {text}" in output
    assert "2 faults, 1 violated promises" in output
    assert [path.name for path in (tmp_path / "place").iterdir()] == [name]


def test_what_cannot_be_made_is_skipped_with_its_reason(run: Run) -> None:
    code, output = run("impossible")
    assert code == 0
    assert "impossible skipped" in output
    assert "skipped: not on this machine" in output


def test_without_a_seed_one_is_drawn_and_told() -> None:
    arguments = runtime_faults.parse([])
    assert arguments.fault == list(catalogue.FAULTS)
    assert f"--seed {arguments.seed}" in runtime_faults.replay(arguments)


def test_a_pause_counts_for_all_who_would_have_met_it(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "small", "1")
    quick = [Latency(0, "ping", 1_000_000)] * 99
    trial.report_probes([*quick, Latency(0, "ping", 1_000_000_000)], "ping", goal_ms=1, bound_ms=5)
    assert trial.figures == ["ping p99 990.0 ms (goal 1 ms: missed)"]
    assert trial.violations == ["ping p99 took 990.0 ms, over 5 ms"]


def test_who_was_never_answered_is_a_violation(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "small", "1")
    trial.report_probes([], "read", goal_ms=1, bound_ms=5)
    assert trial.violations == ["no read was answered"]


def test_a_peak_beyond_its_bound_is_a_violation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(tmp_path, "small", "1")
    peak = MemoryPeak({})
    peak.before = {"network": 50 << 20}
    monkeypatch.setattr(peak, "growth", lambda: {"network": 9 << 20})
    trial.report_memory(peak, {"network": 9 << 20})
    assert (trial.figures, trial.violations) == (["memory network 50 + 9 MiB"], [])
    trial.report_memory(peak, {"network": 8 << 20})
    assert trial.violations == ["the network process grew by 9 MiB, over 8 MiB"]


def test_more_connections_than_there_can_be_descriptors() -> None:
    with pytest.raises(SkippedError, match="the hard limit is"):
        allow_descriptors(1 << 40)
