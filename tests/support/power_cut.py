"""The crash that takes the file system with it: power for the device is cut (shell)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from tests.support.crash_round import CRASHES
from tests.support.loop_volume import PowerDevice
from tests.support.servers import ServerProcess

# How much of what the device had not flushed it may keep: nothing, a part, everything.
KEPT_SHARES: Final = (0.0, 0.5, 1.0)
# Half of the cuts come at a random moment, the others when a failpoint was reached.
POWER_CUTS: Final = ("",) * (len(CRASHES) - 1) + CRASHES


class PowerCut:
    """A `crash` for `CrashTest`, whose data lie on `device`."""

    def __init__(self, device: PowerDevice, kept_shares: Sequence[float] = KEPT_SHARES) -> None:
        self._device = device
        self._kept_shares = kept_shares

    def __call__(self, server: ServerProcess, rng: random.Random) -> None:
        """Everything stops at this moment: no reply is sent any more, no sync succeeds."""
        server.pause()
        self._device.cut(rng.choice(self._kept_shares), rng)
        server.kill()
        self._device.restore()
