"""Memory and processor time of a process, from the kernel's /proc (shell: reads files).

Where there is no /proc, or the process is gone, the facts are missing rather than wrong.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class ProcessFacts(NamedTuple):
    """Resident bytes now and at most, and seconds of processor time in user and system mode."""

    resident_bytes: int
    resident_bytes_peak: int
    user_seconds: float
    system_seconds: float


def process_facts(process_id: int) -> ProcessFacts | None:
    """The facts of one process, or None where the kernel does not tell them."""
    folder = Path("/proc") / str(process_id)
    try:
        status = (folder / "status").read_text(encoding="ascii", errors="replace")
        stat = (folder / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    kilobytes = _kilobytes(status)
    if "VmRSS" not in kilobytes or "VmHWM" not in kilobytes:
        return None
    # The name, in parentheses, may hold blanks; user and system time are fields 14 and 15.
    fields = stat.rpartition(")")[2].split()
    ticks_a_second = os.sysconf("SC_CLK_TCK")
    return ProcessFacts(
        kilobytes["VmRSS"] * 1024,
        kilobytes["VmHWM"] * 1024,
        int(fields[11]) / ticks_a_second,
        int(fields[12]) / ticks_a_second,
    )


def total_facts(process_ids: Iterable[int]) -> ProcessFacts | None:
    """The sums over those processes whose facts are known; None if none are."""
    found = [facts for number in process_ids if (facts := process_facts(number)) is not None]
    if not found:
        return None
    return ProcessFacts(
        sum(each.resident_bytes for each in found),
        sum(each.resident_bytes_peak for each in found),
        sum(each.user_seconds for each in found),
        sum(each.system_seconds for each in found),
    )


def _kilobytes(status: str) -> dict[str, int]:
    """The `Name:  123 kB` lines."""
    found = {}
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            found[name] = int(value[:-3])
    return found
