"""Places where a process may kill itself, for crash tests (shell).

    KIWI_FAILPOINT=NAME:COUNT[:MARKER]

The process that comes by the failpoint NAME for the COUNT-th time sends itself SIGKILL there: no
handler runs, no buffer is flushed. With MARKER, the path of a file, it fires at most once over all
processes that inherit the variable: the file is created first, and whoever finds it goes on. So a
restarted storage runtime does not die again, and a test can see that its failpoint was reached.

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
        "before-reply",  # a group is durable, none of its replies has left
        "drain",  # durable entries are about to go into the index
        "index-flush",  # the index is about to write its memtables to disk
        "recovery",  # the log is replayed, nothing new is accepted yet
        "segment-rotate",  # a log segment is full, the next one is not in use yet
        "vlog-append",  # large values are in the value log, their log record is not written
        "wal-append",  # a record is written but not synced
        "wal-sync",  # a record is synced, nobody knows it yet
    }
)


def parse(value: str) -> tuple[str, int, str]:
    """(name, count, marker path or "") of a variable's value; `ConfigError` if it is not one."""
    name, _, rest = value.partition(":")
    count, _, marker = rest.partition(":")
    if name not in NAMES:
        raise ConfigError([f"{VARIABLE}: no failpoint {name!r}; known: {', '.join(sorted(NAMES))}"])
    if not count.isascii() or not count.isdigit() or int(count) < 1:
        raise ConfigError(
            [f"{VARIABLE}: expected NAME:COUNT with a COUNT of at least 1: {value!r}"]
        )
    return name, int(count), marker


def _inactive(name: str) -> None:
    """Nothing was asked for."""


def _armed(armed_name: str, count: int, marker: str) -> Callable[[str], None]:
    # `next` is atomic, so threads that share a failpoint cannot both be the COUNT-th or both miss it.
    passes = itertools.count(1)

    def hit(name: str) -> None:
        assert name in NAMES, f"a failpoint must be listed in NAMES: {name}"
        if name == armed_name and next(passes) == count and _is_first(marker):
            os.kill(os.getpid(), signal.SIGKILL)

    return hit


def _is_first(marker: str) -> bool:
    if not marker:
        return True
    try:
        Path(marker).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def resolve(value: str | None) -> Callable[[str], None]:
    """The `hit` function for a value of the variable (None: not set)."""
    return _inactive if not value else _armed(*parse(value))


# hit(name): called where the process could die; returns at once unless armed.
hit: Final[Callable[[str], None]] = resolve(os.environ.get(VARIABLE))
