"""Logging of both runtimes: one line an event, to one place (glue).

    4711 storage 2026-11-21T14:23:33.123Z notice recovered 12 records

Code logs through `logging.getLogger(__name__)`; `info` is Redis' "notice", `VERBOSE` lies between
`debug` and `info`. A log file is reopened when it was moved away, so log rotation just works.
"""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

VERBOSE: Final = 15
# The values of `loglevel`, in Redis' words.
LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "verbose": VERBOSE,
    "notice": logging.INFO,
    "warning": logging.WARNING,
}
_WORDS: Final = {level: word for word, level in LEVELS.items()} | {
    logging.ERROR: "error",
    logging.CRITICAL: "critical",
}


class LineFormatter(logging.Formatter):
    """pid, role, UTC time, level, message; a traceback follows on lines of its own."""

    def __init__(self, role: str) -> None:
        super().__init__(f"%(process)d {role} %(asctime)s %(word)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """The record's time in UTC, with milliseconds."""
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def format(self, record: logging.LogRecord) -> str:
        """The whole line."""
        record.word = _WORDS.get(record.levelno, record.levelname.lower())
        return super().format(record)


def setup_logging(role: str, level: str, logfile: str) -> None:
    """Send everything from `level` (a value of `loglevel`) on to `logfile`, "" being stderr.

    `role` says which runtime of the server speaks. Calling it again replaces the earlier set-up.
    """
    handler: logging.Handler
    if logfile:
        handler = logging.handlers.WatchedFileHandler(logfile, encoding="utf-8")
    else:
        handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(role))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    set_level(level)


def set_level(level: str) -> None:
    """Change how much is logged: a value of `loglevel`."""
    logging.getLogger().setLevel(LEVELS[level])
