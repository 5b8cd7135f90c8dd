"""Taking a backup of a running engine (shell; one background thread).

`BackupJob.run` does all of it: a checkpoint, the files, the manifest. It belongs to one thread; any
other may read its progress and ask it to stop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from kiwi_engine.clock import monotonic_ns, wall_ms
from kiwi_engine.engine.backup.checkpoint import (
    Checkpoint,
    SourceFile,
    checkpoint_path,
    drop_checkpoint,
    take_checkpoint,
)
from kiwi_engine.engine.backup.manifest import Manifest
from kiwi_engine.engine.backup.target import BackupTarget
from kiwi_engine.engine.layout import Paths, read_layout
from kiwi_engine.engine.recovery.opening import Opened
from kiwi_engine.errors import BackupError
from kiwi_engine.version import VERSION
from kiwi_engine.vlog.format import VLOG


class BackupOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. `target` is an absolute path. `bytes_per_second` 0: as fast as it goes."""

    target: str
    incremental: bool = False
    bytes_per_second: int = 0


class BackupReport(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was made. `written_bytes`: new in it; the rest was in the last one already."""

    target: str
    last_lsn: int
    taken_ms: int
    files: int
    total_bytes: int
    written_bytes: int
    duration_ms: int


def _require_outside(target: str, paths: Paths) -> None:
    """Refuse a target among the engine's own files."""
    for own in (paths.root, paths.wal, paths.values, paths.index, checkpoint_path(paths)):
        inside = own != paths.root and target.startswith(f"{own}/")
        if target == own or inside:
            raise BackupError(f"{target} is among the files of the data directory itself")


class BackupJob:
    """One backup. `done_bytes` of `total_bytes` are behind; 0 of 0 while the index is flushed."""

    def __init__(
        self,
        opened: Opened,
        order: BackupOrder,
        applied_lsn: int,
        is_leaving: Callable[[int], bool],
    ) -> None:
        """`applied_lsn`: what the caller holds the log back from, until `run` has ended.

        `is_leaving`: whether garbage collection gives up this segment of the value log.
        """
        self.order = order
        self.started_ms = wall_ms()
        self.done_bytes = 0
        self.total_bytes = 0
        self._opened = opened
        self._applied_lsn = applied_lsn
        self._is_leaving = is_leaving
        self._started_ns = monotonic_ns()
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Any thread: end `run` soon. What the target held before stays valid."""
        self._cancelled.set()

    def run(self) -> BackupReport:
        """Make the backup.

        `BackupError`, `CorruptionError`, `LockedError`, `IndexFailedError` or `OSError` say why it
        was not made; the target then holds what it held before.
        """
        opened, order = self._opened, self.order
        _require_outside(order.target, opened.paths)
        layout = read_layout(opened.fs, opened.paths)
        assert layout is not None, "an open directory has a layout file"
        target = BackupTarget(
            opened.fs, order.target, layout.identity, incremental=order.incremental
        )
        try:
            checkpoint = take_checkpoint(opened, self._applied_lsn)
            self.total_bytes = sum(source.bytes for source in checkpoint.files)
            for source in checkpoint.files:
                self._add(target, source)
            manifest = Manifest(
                identity=layout.identity,
                last_lsn=checkpoint.last_lsn,
                applied_lsn=checkpoint.applied_lsn,
                committed_ms=checkpoint.committed_ms,
                taken_ms=checkpoint.taken_ms,
                made_by=f"Kiwi Engine {VERSION}",
                layout=layout,
                files=(),
            )
            return self._report(target, target.publish(manifest), checkpoint)
        finally:
            target.close()
            drop_checkpoint(opened)

    def _add(self, target: BackupTarget, source: SourceFile) -> None:
        try:
            target.add(source, self._pace)
        except FileNotFoundError:
            if not source.may_vanish or not self._is_leaving(VLOG.number(source.path)):
                raise

    def _pace(self, slice_bytes: int) -> None:
        """Wait as long as the slice may take."""
        limit = self.order.bytes_per_second
        self.done_bytes = min(self.done_bytes + slice_bytes, self.total_bytes)
        if self._cancelled.wait(slice_bytes / limit if limit else 0):
            raise BackupError("the backup was cancelled")

    def _report(
        self, target: BackupTarget, manifest: Manifest, checkpoint: Checkpoint
    ) -> BackupReport:
        return BackupReport(
            target=self.order.target,
            last_lsn=checkpoint.last_lsn,
            taken_ms=checkpoint.taken_ms,
            files=len(manifest.files),
            total_bytes=manifest.total_bytes,
            written_bytes=manifest.total_bytes - target.reused_bytes,
            duration_ms=(monotonic_ns() - self._started_ns) // 1_000_000,
        )
