"""How much memory processes took at most, as the kernel counts it (shell: /proc)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.processes import resident_bytes

# See proc(5), clear_refs: the peak begins anew at what is resident now.
_RESET_PEAK: Final = "5\n"


class MemoryPeak:
    """Of the processes that are named, from now on."""

    def __init__(self, process_ids: Mapping[str, int]) -> None:
        self._process_ids = dict(process_ids)
        for process_id in self._process_ids.values():
            # Where this is denied the peak since its start counts: too much, never too little.
            with contextlib.suppress(OSError):
                Path(f"/proc/{process_id}/clear_refs").write_text(_RESET_PEAK)
        self.before = {name: resident_bytes(each) for name, each in self._process_ids.items()}

    def growth(self) -> dict[str, int]:
        """Bytes between the beginning and the peak since, by name; all must be alive still."""
        return {
            name: max(0, peak_bytes(process_id) - self.before[name])
            for name, process_id in self._process_ids.items()
        }


def peak_bytes(process_id: int) -> int:
    """The most that was resident of a living process."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(process_id)
