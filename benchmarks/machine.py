"""What a result must be read with: machine, kernel, file system, versions, commit (shell)."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
# File systems on which a sync costs nothing, so that a comparison would mean nothing.
MEMORY_FILE_SYSTEMS: Final = frozenset({"tmpfs", "ramfs"})


def describe(directory: Path) -> dict[str, str]:
    """Facts of this machine and of the checkout, by name."""
    return {
        "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        "commit": commit(),
        "cpu": processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "kernel": platform.release(),
        "file system": file_system(directory),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def processor() -> str:
    """The processor's model name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def file_system(directory: Path) -> str:
    """The type of the file system that holds `directory`."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, mount_kind = line.split(" ")[:3]
        is_inside = directory.resolve().is_relative_to(mount)
        if is_inside and len(mount) >= len(best):
            best, kind = mount, mount_kind
    return kind


def commit() -> str:
    """The commit of this checkout, with "-dirty" if files differ from it."""
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return result.stdout.strip()
