"""Processor time of running processes, as the kernel counts it (shell: /proc)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


def seconds(process_id: int) -> float:
    """Of all threads, in the program and in the kernel for it (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


class ProcessorTime:
    """Of the processes that are named, from now on."""

    def __init__(self, process_ids: Mapping[str, int]) -> None:
        self._process_ids = dict(process_ids)
        self._before = {name: seconds(each) for name, each in self._process_ids.items()}

    def spent(self) -> dict[str, float]:
        """Seconds since, by name; all must be alive still."""
        return {
            name: seconds(process_id) - self._before[name]
            for name, process_id in self._process_ids.items()
        }
