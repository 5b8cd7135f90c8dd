"""Power failures of a device below the real server; and that a loss would be noticed."""

from __future__ import annotations

import mmap
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from tests.support import strace
from tests.support.crash_round import CrashTest
from tests.support.loop_volume import MEBIBYTE, PowerDevice, why_not
from tests.support.power_cut import KEPT_SHARES, POWER_CUTS, PowerCut

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "volumes can be mounted")

# In no mode does anything but the clients make this server sync its log.
NO_SYNC_OF_ITS_OWN: Final[Mapping[str, str | int]] = {
    "wal-segment-size": "4mb",
    "wal-retained-max": "64mb",
    "wal-archive-interval": 3_600_000,
    "drain-interval": 3_600_000,
    "drain-max-entries": 1_000_000,
    "drain-max-bytes": "64mb",
}
FILE_BYTES: Final = 32_768


@pytest.fixture
def device(tmp_path: Path) -> Iterator[PowerDevice]:
    with PowerDevice(tmp_path, 96 * MEBIBYTE) as device:
        yield device


def make_test(
    device: PowerDevice,
    *,
    settings: Mapping[str, str | int] = MappingProxyType({}),
    kept_shares: Sequence[float] = KEPT_SHARES,
    crashes: Sequence[str] = POWER_CUTS,
    rounds_between_restores: int | None = 3,
) -> CrashTest:
    seed = random.SystemRandom().randrange(2**31)
    print(f"seed {seed}")
    return CrashTest(
        device.mounted.parent,
        seed=seed,
        victim="all",
        clients=4,
        settings={"disk-reserve": MEBIBYTE, **settings},
        place=device.mounted,
        crash=PowerCut(device, kept_shares),
        crashes=crashes,
        rounds_between_restores=rounds_between_restores,
    )


def write_directly(path: Path, data: bytes) -> None:
    """Give blocks to the device that it is never asked to flush."""
    descriptor = os.open(path, os.O_WRONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, len(data)) as aligned:
            aligned.write(data)
            assert os.pwritev(descriptor, [aligned], 0) == len(data)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("kept_share", [0.0, 1.0])
def test_the_device_keeps_what_was_flushed(device: PowerDevice, kept_share: float) -> None:
    synced, overwritten = device.mounted / "synced", device.mounted / "overwritten"
    for path in (synced, overwritten):
        path.write_bytes(b"o" * FILE_BYTES)
    os.sync()
    write_directly(overwritten, b"n" * FILE_BYTES)
    (device.mounted / "lost").write_bytes(b"x")
    device.cut(kept_share, random.Random(0))
    device.restore()
    assert synced.read_bytes() == b"o" * FILE_BYTES
    assert overwritten.read_bytes() == (b"n" if kept_share else b"o") * FILE_BYTES
    assert not (device.mounted / "lost").exists()


def test_nothing_acknowledged_is_lost(device: PowerDevice) -> None:
    test = make_test(device)
    try:
        for number in range(1, 4):
            assert test.run_round(number).violations == []
        assert test.close() == []
    finally:
        test.kill()
    assert test.acknowledged_count > 0


def test_a_server_that_does_not_sync_is_convicted(device: PowerDevice) -> None:
    # Nor may a backup make it.
    test = make_test(
        device,
        settings={**NO_SYNC_OF_ITS_OWN, "appendfsync": "no"},
        kept_shares=(0.0,),
        crashes=("",),
        rounds_between_restores=None,
    )
    try:
        found = [line for number in range(1, 4) for line in test.run_round(number).violations]
    finally:
        test.kill()
    assert any("present key" in violation for violation in found)


@pytest.mark.skipif(bool(strace.why_not()), reason=strace.why_not() or "strace works")
def test_a_sync_that_does_nothing_is_noticed(device: PowerDevice) -> None:
    """As of a device that lies: each `fdatasync` of the server succeeds at once."""
    test = make_test(
        device,
        settings=NO_SYNC_OF_ITS_OWN,
        kept_shares=(0.0,),
        crashes=("",),
        rounds_between_restores=None,
    )
    skip = ("-e", "trace=fdatasync", "-e", "inject=fdatasync:retval=0")
    try:
        # Made by an honest one, so that there is a server to judge.
        assert test.run_round(1).violations == []
        test.server.kill()
        words = test.server.arguments
        test.server.arguments = ["strace", "-f", "-o", "/dev/null", *skip, *words]
        found = [line for number in range(2, 5) for line in test.run_round(number).violations]
    finally:
        test.kill()
    assert found
