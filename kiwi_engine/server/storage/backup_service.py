"""Backups as clients ask for them: KIWI BACKUP, BGSAVE, SAVE, LASTSAVE (shell; executing thread).

All of it is about the engine's one backup in progress; a save is a backup to `backup-dir` that
renews the one there. What INFO tells of saves is about those alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from kiwi_engine.clock import wall_ms
from kiwi_engine.config.settings import Settings
from kiwi_engine.engine.backup.job import BackupOrder
from kiwi_engine.engine.engine import Engine
from kiwi_engine.errors import BackupError

_DEFAULT_NAME = "backup"


class BackupService:
    """`settings` are those in force, asked for when a backup starts."""

    def __init__(self, engine: Engine, settings: Callable[[], Settings]) -> None:
        self._engine = engine
        self._settings = settings
        self._is_save = False
        # As Redis tells before the first save: when the server was started.
        self._last_save_ms = wall_ms()
        self._last_save_failed = False
        self._last_save_took_ms: int | None = None
        self.saves = 0

    def save(self, parameters: dict[str, Any]) -> bool:
        """Start a save; False if a backup is in progress."""
        if self._engine.backups.in_progress:
            return False
        settings = self._settings()
        target = settings.backup_dir or f"{settings.dir}/{_DEFAULT_NAME}"
        self._start(target, incremental=True)
        self._is_save = True
        return True

    def start(self, parameters: dict[str, Any]) -> None:
        """Start a backup to `target`, a path on this machine; `BackupError` if one runs already."""
        target = parameters["target"]
        if not os.path.isabs(target):
            raise BackupError(f"the target must be an absolute path: {target}")
        self._start(target, incremental=parameters["incremental"])

    def status(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """How the backup in progress is doing, and how the last one went."""
        backups = self._engine.backups
        done, total = backups.progress
        last = backups.last
        return {
            "in_progress": int(backups.in_progress),
            "done_bytes": done,
            "total_bytes": total,
            "failure": backups.failure,
            "made": backups.made,
            "last": {} if last is None else {n: getattr(last, n) for n in last.__struct_fields__},
        }

    def cancel(self, parameters: dict[str, Any]) -> bool:
        """End the backup in progress; False if there is none."""
        return self._engine.backups.cancel()

    def maintain(self) -> None:
        """Often: note that a save has ended."""
        backups = self._engine.backups
        if self._is_save and not backups.in_progress:
            self._is_save = False
            self._last_save_failed = bool(backups.failure)
            self._last_save_took_ms = backups.ended_ms - backups.started_ms
            if not self._last_save_failed:
                self._last_save_ms = backups.ended_ms
                self.saves += 1

    def save_facts(self) -> dict[str, Any]:
        """The fields of INFO that Redis has for its snapshots; seconds, -1 for never."""
        backups, took_ms = self._engine.backups, self._last_save_took_ms
        runs_ms = wall_ms() - backups.started_ms if self._is_save else None
        return {
            "rdb_bgsave_in_progress": int(self._is_save),
            "rdb_last_save_time": self._last_save_ms // 1000,
            "rdb_last_bgsave_status": "err" if self._last_save_failed else "ok",
            "rdb_last_bgsave_time_sec": -1 if took_ms is None else took_ms // 1000,
            "rdb_current_bgsave_time_sec": -1 if runs_ms is None else runs_ms // 1000,
            "rdb_saves": self.saves,
        }

    def _start(self, target: str, *, incremental: bool) -> None:
        order = BackupOrder(
            target=os.path.abspath(target),
            incremental=incremental,
            bytes_per_second=self._settings().backup_rate,
        )
        self._engine.backups.start(order)
