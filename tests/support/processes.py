"""Facts about processes from /proc (shell)."""

from __future__ import annotations

from pathlib import Path

_ENDED = frozenset("ZX")


def is_alive(process_id: int) -> bool:
    """Whether the process exists and is more than a zombie."""
    fields = _status(process_id)
    return fields is not None and fields[0] not in _ENDED


def parent(process_id: int) -> int:
    """The process id of the parent; `ProcessLookupError` if there is no such process."""
    fields = _status(process_id)
    if fields is None:
        raise ProcessLookupError(process_id)
    return int(fields[1])


def children(process_id: int) -> list[int]:
    """The living processes that this one has started."""
    found = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    statuses = [(each, _status(each)) for each in found]
    return [
        each
        for each, fields in statuses
        if fields is not None and int(fields[1]) == process_id and fields[0] not in _ENDED
    ]


def group_is_alive(group: int) -> bool:
    """Whether a process that is more than a zombie belongs to the process group."""
    for path in Path("/proc").glob("[0-9]*"):
        fields = _status(int(path.name))
        if fields is not None and int(fields[2]) == group and fields[0] not in _ENDED:
            return True
    return False


def resident_bytes(process_id: int) -> int:
    """Resident memory of a living process."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(process_id)


def _status(process_id: int) -> list[str] | None:
    """State, parent, process group, ... (proc(5), from field 3 on); None if there is none."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()
