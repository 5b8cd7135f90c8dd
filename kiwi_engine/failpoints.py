"""Places where a process may kill itself, for crash tests (shell).

    KIWI_FAILPOINT=NAME:COUNT[:MARKER][,NAME:COUNT[:MARKER] ...]

The process that comes by the failpoint NAME for the COUNT-th time sends itself SIGKILL there: no
handler runs, no buffer is flushed. MARKER is the path of a file. While it exists the failpoint is
passed by; to fire, it makes the file first. So it fires once over all processes that inherit the
variable, a restarted storage runtime does not die again, and a test sees that its failpoint was
reached, and arms it when it likes by removing the file.

Without the variable `hit` is an empty function, chosen when this module is imported. An ill-formed
value is a `ConfigError`: a crash test that never crashes would prove nothing.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from kiwi_engine.errors import ConfigError

VARIABLE: Final = "KIWI_FAILPOINT"

NAMES: Final = frozenset(
    {
        "archive-write",  # a file of the log archive is written, but does not have its name yet
        "backup-copy",  # a file is about to be added to a backup
        "backup-manifest",  # all files of a backup are there, its manifest is not
        "before-reply",  # a group is durable, none of its replies has left
        "drain",  # durable entries are about to go into the index
        "gc-remove",  # an empty value-log segment is about to be removed
        "gc-rewrite",  # values were put again, into a group that is not durable yet
        "index-flush",  # the index is about to write its memtables to disk
        "recovery",  # the log is replayed, nothing new is accepted yet
        "restore-copy",  # a file of a backup is about to be copied to the directory being restored
        "restore-replay",  # a record of the archive is about to be replayed
        "segment-rotate",  # a log segment is full, the next one is not in use yet
        "vlog-append",  # large values are in the value log, their log record is not written
        "wal-append",  # a record is written but not synced
        "wal-sync",  # a record is synced, nobody knows it yet
    }
)


class Failpoint:
    """One armed place. `passes` is shared by threads: `next` is atomic, so none is missed."""

    def __init__(self, count: int, marker: str) -> None:
        self.count = count
        self.marker = marker
        self.passes = itertools.count(1)


def parse(value: str) -> dict[str, Failpoint]:
    """The failpoints of a variable's value by name; `ConfigError` if it is ill-formed."""
    found = {}
    for item in value.split(","):
        name, _, rest = item.partition(":")
        count, _, marker = rest.partition(":")
        if name not in NAMES:
            known = ", ".join(sorted(NAMES))
            raise ConfigError([f"{VARIABLE}: no failpoint {name!r}; known: {known}"])
        if not count.isascii() or not count.isdigit() or int(count) < 1:
            raise ConfigError([f"{VARIABLE}: expected {name}:COUNT, 1 or more: {item!r}"])
        found[name] = Failpoint(int(count), marker)
    return found


def _inactive(name: str) -> None:
    """Nothing was asked for."""


def _armed(failpoints: dict[str, Failpoint]) -> Callable[[str], None]:
    def hit(name: str) -> None:
        assert name in NAMES, f"a failpoint must be listed in NAMES: {name}"
        point = failpoints.get(name)
        if point and next(point.passes) >= point.count and _may_fire(point.marker):
            os.kill(os.getpid(), signal.SIGKILL)

    return hit


def _may_fire(marker: str) -> bool:
    """Without a marker always; with one, only for the process that makes it."""
    if not marker:
        return True
    try:
        Path(marker).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def resolve(value: str | None) -> Callable[[str], None]:
    """The `hit` function for a value of the variable (None: not set)."""
    return _armed(parse(value)) if value else _inactive


# hit(name): called where the process could die; returns at once unless armed.
hit: Final[Callable[[str], None]] = resolve(os.environ.get(VARIABLE))
