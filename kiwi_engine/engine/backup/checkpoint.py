"""A consistent picture of a running engine, as files (shell; a background thread).

The picture is what a crash would leave, with nothing torn: an index, the log behind it up to the
last durable record, and the value log that both point to. Opening it is a recovery. Nobody waits
for it; writes go on all the time.

    executing thread   pin files, hold the log back from the applied LSN on    (`hold_for_backup`)
    this module        1  flush the index, make a checkpoint of it (hard links)
                       2  note the last durable record, L
                       3  log segments up to L
                       4  value-log segments, the one being written up to its durable end

The order is the proof. What the index of step 1 holds was durable before, so it is at most L. The
values of a record are durable before the record, so what L points to is there in step 4. A value
segment that garbage collection removes in between was one that no record above the applied LSN
of step 1, and no entry of the index at L, points to.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from kiwi_engine.clock import wall_ms
from kiwi_engine.commit.changes import decode_changes
from kiwi_engine.engine.layout import Paths
from kiwi_engine.engine.log_tail import LogTail
from kiwi_engine.engine.recovery.opening import Opened
from kiwi_engine.fs.trees import files_below, remove_tree
from kiwi_engine.vlog.format import VLOG

# Inside the data directory: hard links need the file system of the index.
CHECKPOINT: Final = "checkpoint"


class SourceFile(NamedTuple):
    """`name`: the path in a data directory. Of `path` the first `bytes` belong to the picture.

    `sharable`: nobody will ever change the file, so a link is as good as a copy.
    `may_vanish`: garbage collection may have removed it, since nothing in the picture needs it.
    """

    name: str
    path: str
    bytes: int
    sharable: bool = False
    may_vanish: bool = False


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The picture: the state after record `last_lsn`. Times are milliseconds since the epoch."""

    files: tuple[SourceFile, ...]
    last_lsn: int
    applied_lsn: int
    committed_ms: int
    taken_ms: int


def checkpoint_path(paths: Paths) -> str:
    """Where the checkpoint of the index is made."""
    return f"{paths.root}/{CHECKPOINT}"


def take_checkpoint(opened: Opened, applied_lsn: int) -> Checkpoint:
    """See the module docstring; records above `applied_lsn` are held back by the caller.

    The checkpoint of the index is in the way of the next one until `drop_checkpoint`.
    """
    fs, paths = opened.fs, opened.paths
    index = _index_files(opened)
    tail = LogTail(fs, paths.wal, opened.log, applied_lsn + 1)
    taken_ms = wall_ms()
    parts = tail.segments()
    log = [SourceFile(_name(paths, part.path), part.path, part.end) for part in parts]
    payload = parts[-1].last_payload if parts else b""
    return Checkpoint(
        files=(*index, *log, *_value_files(opened)),
        last_lsn=tail.last_lsn,
        applied_lsn=applied_lsn,
        committed_ms=decode_changes(payload).committed_ms if payload else 0,
        taken_ms=taken_ms,
    )


def drop_checkpoint(opened: Opened) -> None:
    """Remove what a checkpoint left in the data directory, also one of an earlier process."""
    path = checkpoint_path(opened.paths)
    # RocksDB makes it under this name first.
    remove_tree(opened.fs, f"{path}.tmp")
    remove_tree(opened.fs, path)


def _index_files(opened: Opened) -> list[SourceFile]:
    fs, path = opened.fs, checkpoint_path(opened.paths)
    drop_checkpoint(opened)
    opened.index.checkpoint(path)
    return [
        SourceFile(f"index/{name}", f"{path}/{name}", fs.size(f"{path}/{name}"), sharable=True)
        for name in files_below(fs, path)
    ]


def _value_files(opened: Opened) -> list[SourceFile]:
    values, paths = opened.values, opened.paths
    # In this order: a segment sealed in between is among the complete ones.
    active, durable_bytes = values.durable_part
    sizes = values.segments()
    files = []
    for number, size in sorted(sizes.items()):
        path = VLOG.path(paths.values, number)
        files.append(SourceFile(_name(paths, path), path, size, sharable=True, may_vanish=True))
    if active and active not in sizes:
        path = VLOG.path(paths.values, active)
        # It may be sealed, and then collected, before it is copied.
        files.append(SourceFile(_name(paths, path), path, durable_bytes, may_vanish=True))
    return files


def _name(paths: Paths, path: str) -> str:
    return path.removeprefix(f"{paths.root}/")
