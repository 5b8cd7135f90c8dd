"""Each fault of scripts/runtime_faults.py at its small size, and the script around them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.runtime_faults.catalogue import FAULTS, run_fault

SEED = 20_261_122


@pytest.mark.parametrize("name", FAULTS)
def test_every_promise_is_kept(name: str, tmp_path: Path) -> None:
    outcome = run_fault(name, tmp_path, "small", SEED)
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    print(outcome.figures)
    assert outcome.violations == ()
    assert outcome.figures
