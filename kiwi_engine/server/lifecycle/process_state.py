"""What a process is doing that does not answer, as the kernel knows it (shell: reads /proc).

A process that hangs looks the same from outside whatever the cause; the states of its threads tell
them apart. Where there is no /proc nothing is told rather than something wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

UNKNOWN: Final = "it does not answer"
STOPPED: Final = "stopped by a signal"
TRACED: Final = "held by a debugger"
DISK: Final = "waits for the disk"
BUSY: Final = "busy"
WAITING: Final = "waits for something that is not the disk"
ENDED: Final = "ended"


def what_it_does(process_id: int) -> str:
    """One of the phrases above."""
    tasks = Path("/proc") / str(process_id) / "task"
    main = _state(tasks / str(process_id))
    if main is None:
        return UNKNOWN
    try:
        others = [_state(task) for task in tasks.iterdir() if task.name != str(process_id)]
    except OSError:
        return UNKNOWN
    return describe(main, [state for state in others if state is not None])


def describe(main: str, others: Iterable[str]) -> str:
    """What the states of the threads mean, letters of proc(5).

    `main` executes the commands. While it sleeps it may wait for another: for the log thread.
    """
    threads = {main, *others} if main == "S" else {main}
    for letters, phrase in (("T", STOPPED), ("t", TRACED), ("ZX", ENDED), ("D", DISK), ("R", BUSY)):
        if threads.intersection(letters):
            return phrase
    return WAITING


def _state(task: Path) -> str | None:
    """The state of one thread; None if it is gone."""
    try:
        text = (task / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may hold anything.
    return text.rpartition(")")[2].split()[0]
