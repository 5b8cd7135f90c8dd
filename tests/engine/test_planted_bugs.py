"""The crash sweep of the engine finds bugs: each is planted in turn, and must be found.

Each stands for a mistake that a storage engine has made. A sweep that passes them all proves
nothing.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from kiwi_engine.commit.group import Group
from kiwi_engine.commit.pipeline import Pipeline, SyncMode
from kiwi_engine.engine.drain import Drainer
from kiwi_engine.engine.housekeeping import Housekeeping
from kiwi_engine.engine.overlay import Generation
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.vlog.separated import Separated
from kiwi_engine.vlog.writer import ValueLogWriter
from kiwi_engine.wal.reader import LogPosition
from kiwi_engine.wal.writer import LogWriter
from tests.engine.sweep import EngineSweep
from tests.sweeps.planted import Patch, require_found


def _never_sync(pipeline: Pipeline) -> None:
    pipeline.durable_lsn = pipeline.written_lsn


def _reply_first(pipeline: Pipeline, group: Group) -> None:
    pipeline._deliver(group.replies, None)
    pipeline._commit(group)


def _drain_at_once(housekeeping: Housekeeping) -> None:
    generation = housekeeping._store.draining
    assert generation is not None
    lsn = generation.groups[-1].lsn if generation.groups else 0
    if lsn:
        housekeeping.jobs.start("drain", lambda: housekeeping.drainer.drain(generation, lsn))


def _release_unflushed(housekeeping: Housekeeping, lsn: int) -> tuple[int, int]:
    return lsn, housekeeping._opened.log.release(lsn)


def _apply_early(drainer: Drainer, generation: Generation, applied_lsn: int) -> Any:
    drainer._applied_lsn = applied_lsn
    return _drain(drainer, generation, applied_lsn)


def _forget_nothing(drainer: Drainer, generation: Generation) -> None:
    """Range deletions are not accounted for."""


def _discard_always(drainer: Drainer, before: Separated) -> None:
    drainer._discard(before.pointer)


def _grow_sealed(pipeline: Pipeline) -> None:
    """A group may be taken back although its generation is sealed."""


def _resume_unsynced(writer: LogWriter, position: LogPosition) -> None:
    writer._offset = writer._synced_offset = position.offset


def _nothing(*_: object) -> int:
    return 0


_drain = Drainer.drain

# Without a sync for each group, the time in which these do harm is longest.
RELAXED: Final = frozenset({"drained before durable"})
PLANTED: Final[dict[str, Patch]] = {
    "acknowledged without a sync": (Pipeline, "_sync", _never_sync),
    "replied before the sync": (Pipeline, "_commit_or_fail", _reply_first),
    "drained before durable": (Housekeeping, "_start_drain", _drain_at_once),
    "released before the flush": (Housekeeping, "_flush_and_release", _release_unflushed),
    "applied LSN with the first slice": (Drainer, "drain", _apply_early),
    "range deletions not counted": (Drainer, "_forget_ranges", _forget_nothing),
    "discarded twice by a replay": (Drainer, "_discard_below", _discard_always),
    "a sealed group grows": (Pipeline, "keep_waiting_as_it_is", _grow_sealed),
    "values not synced": (ValueLogWriter, "sync", _nothing),
    "recovered records not synced": (LogWriter, "_resume", _resume_unsynced),
    "names never synced": (CrashFs, "sync_directory", _nothing),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PLANTED)
def test_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*PLANTED[name])
    sync_mode: SyncMode | None = "no" if name in RELAXED else None
    require_found(lambda seed: EngineSweep(seed, 3, sync_mode), lives=3, steps=30)
