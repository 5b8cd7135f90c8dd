"""Backing up a data directory that no server uses (glue)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kiwi_engine.clock import sleep
from kiwi_engine.engine.backup.job import BackupOrder
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.inspection.progress import Progress
from kiwi_engine.engine.layout import Paths, check_layout, read_layout
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.errors import BackupError
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.keyspace.encoding import tally

_POLL_S: Final = 0.02


def back_up_directory(
    directory: str, target: str, incremental: bool, progress: Progress
) -> dict[str, Any]:
    """Open the directory as a server would, back it up, close it; the facts of the report.

    `NotADirectoryError` if it is no data directory, `BackupError` if no backup was made; else
    raises what `Engine.open` does.
    """
    paths = Paths(directory)
    layout = read_layout(PosixFileSystem(), paths)
    if layout is None:
        raise NotADirectoryError(f"{directory} is not a Kiwi Engine data directory")
    check_layout(layout, paths.layout)
    engine = Engine.open(directory, EngineSettings(), tally, lambda replies, error: None)
    # Its server may have an archive that lacks some of the log.
    engine.housekeeping.retention.hold("archive of the server", 0)
    try:
        backups = engine.backups
        backups.start(BackupOrder(target=target, incremental=incremental))
        shown = False
        while backups.in_progress:
            engine.maintain()
            done, total = backups.progress
            if total and not shown:
                progress.start("backing up", total)
                shown = True
            progress.reach(done)
            sleep(_POLL_S)
        if backups.last is None:
            raise BackupError(backups.failure)
        report: dict[str, Any] = msgspec.to_builtins(backups.last)
        return report
    finally:
        engine.close()
