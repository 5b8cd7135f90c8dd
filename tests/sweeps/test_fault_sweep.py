"""Every failing disk operation ends in a clean refusal or in poison, and loses nothing."""

from __future__ import annotations

from random import Random

import pytest

from kiwi_engine.errors import CorruptionError, DiskFullError, EnginePoisonedError
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import FAULTS, FailAt
from tests.sweeps.logs import (
    Entries,
    Logs,
    Shape,
    make_directories,
    recover_again,
    recover_and_judge,
)

OPERATIONS_MAX = 150


def _use(logs: Logs, random: Random, steps: int) -> None:
    """Go on until the logs are poisoned; a full disk is no reason to stop."""
    for _ in range(steps):
        try:
            logs.step(random)
        except DiskFullError:
            assert not logs.log.facts().failure
            assert not logs.values.facts().failure
        except OSError:
            _require_poison_or_background(logs)
            return


def _require_poison_or_background(logs: Logs) -> None:
    """A log that failed in the log thread's hands refuses everything, with the reason."""
    if logs.log.facts().failure:
        with pytest.raises(EnginePoisonedError, match="log"):
            logs.log.append(b"x")
        with pytest.raises(EnginePoisonedError, match="log"):
            logs.log.sync()
    elif logs.values.facts().failure:
        with pytest.raises(EnginePoisonedError, match="value log"):
            logs.values.append([(b"k", b"v")], 1)
        with pytest.raises(EnginePoisonedError, match="value log"):
            logs.values.sync()
        logs.values.close()


def _reopen_and_judge(fs: CrashFs, logs: Logs, submitted: dict[int, Entries]) -> None:
    """After a failed sync, the first recovery may find its log in the page cache only."""
    args = (logs.shape, submitted, logs.acked, logs.released)
    try:
        recovered = recover_and_judge(fs, *args)
    except CorruptionError as refusal:
        assert "open it again" in refusal.reason
        recovered = recover_and_judge(fs, *args)
    recover_again(recovered)


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seed", [3, 4])
def test_each_operation_fails_once(fault: str, lasting: bool, seed: int) -> None:
    fired = 0
    for number in range(1, OPERATIONS_MAX):
        random = Random(seed)
        fs = CrashFs()
        make_directories(fs)
        submitted: dict[int, Entries] = {}
        logs = Logs(fs, Shape.choose(random), submitted, released=0)
        plan = FailAt(number, FAULTS[fault], lasting=lasting)
        fs.watch = plan
        _use(logs, random, steps=20)
        fs.watch = None
        fired += plan.fired
        _reopen_and_judge(fs.crash(number, 0.0), logs, submitted)
        _reopen_and_judge(fs.crash(number, 0.5), logs, submitted)
        _reopen_and_judge(fs.restart(), logs, submitted)
    assert fired > OPERATIONS_MAX // 3


@pytest.mark.parametrize("fault", FAULTS)
def test_each_operation_of_opening_fails_once(fault: str) -> None:
    random = Random(7)
    fs = CrashFs()
    make_directories(fs)
    submitted: dict[int, Entries] = {}
    logs = Logs(fs, Shape.choose(random), submitted, released=0)
    _use(logs, random, steps=25)
    remains = fs.crash(1, 0.3)
    failures = 0
    for number in range(1, 40):
        victim = remains.restart()
        victim.watch = FailAt(number, FAULTS[fault])
        try:
            Logs(victim, logs.shape, dict(submitted), logs.released)
        except (OSError, DiskFullError):
            failures += 1
        victim.watch = None
        _reopen_and_judge(victim.restart(), logs, submitted)
        _reopen_and_judge(victim.crash(number, 0.3), logs, submitted)
    assert failures
