"""Replacing a small file: after a failure at any point it is the old one or the new one."""

from __future__ import annotations

import contextlib

import pytest

from kiwi_engine.fs.replace import read_file, replace_file
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import FAULTS, FailAt, LosePowerAt, PowerLossError, Recorder

OLD = b"o" * 100
NEW = b"n" * 150


def _disk() -> CrashFs:
    fs = CrashFs(sector_bytes=16)
    fs.make_directory("/d")
    fs.sync_directory("/")
    replace_file(fs, "/d/f", OLD)
    return fs


def _operations() -> int:
    """How many it takes: a sweep covers all of them, whatever they are."""
    fs = _disk()
    fs.watch = recorder = Recorder()
    replace_file(fs, "/d/f", NEW)
    assert recorder.operations, "nothing would be swept"
    return len(recorder.operations)


@pytest.mark.parametrize("number", range(1, _operations() + 2))
@pytest.mark.parametrize("keep", [0.0, 0.5, 1.0])
def test_power_may_fail_at_any_point(number: int, keep: float) -> None:
    fs = _disk()
    fs.watch = LosePowerAt(fs.operations + number)
    with contextlib.suppress(PowerLossError):
        replace_file(fs, "/d/f", NEW)
    for seed in range(5):
        after = fs.crash(seed, keep)
        found = read_file(after, "/d/f")
        assert found in (OLD, NEW)
        if number > _operations():
            assert found == NEW
        replace_file(after, "/d/f", NEW)
        assert after.files() == {"/d/f": NEW}


@pytest.mark.parametrize("number", range(1, _operations() + 1))
@pytest.mark.parametrize("fault", FAULTS)
def test_any_operation_may_fail(number: int, fault: str) -> None:
    fs = _disk()
    fs.watch = FailAt(number, FAULTS[fault])
    with contextlib.suppress(OSError):
        replace_file(fs, "/d/f", NEW)
    assert read_file(fs, "/d/f") in (OLD, NEW)
    fs.watch = None
    replace_file(fs, "/d/f", NEW)
    assert fs.crash(1, 0.0).files() == {"/d/f": NEW}
