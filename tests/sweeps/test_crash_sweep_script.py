"""`scripts/crash_sweep.py`: exit codes, and the line that replays a violation."""

from __future__ import annotations

import pytest

from scripts import crash_sweep
from tests.engine.model import LostError
from tests.sweeps import kinds


def test_a_seed_without_a_violation(capsys: pytest.CaptureFixture[str]) -> None:
    assert crash_sweep.main(["--replay", "logs:3"]) == 0
    assert "0 violations" in capsys.readouterr().out


def test_a_violation_is_told_with_what_replays_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lose(seed: int) -> int:
        raise LostError("key a: nothing instead of b'1'")

    monkeypatch.setitem(kinds.KINDS, "engine", lose)
    assert crash_sweep.main(["--replay", "engine:17"]) == 1
    told = capsys.readouterr().out
    assert "nothing instead of b'1'" in told
    assert "python scripts/crash_sweep.py --replay engine:17" in told


@pytest.mark.parametrize("words", [["--replay", "engine"], ["--replay", "x:1"], ["--kind", "x"]])
def test_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        crash_sweep.main(words)
    assert ended.value.code == 2
