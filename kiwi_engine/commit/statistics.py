"""Counters that cost little enough for the commit path (pure).

One thread writes each object; others may read at any time and see values of some recent moment.
"""

from __future__ import annotations

from kiwi_engine.histogram import Histogram


class CommitStatistics:
    """What the log thread has done since the start or the last reset."""

    __slots__ = (
        "bytes_logged",
        "commit",
        "groups",
        "groups_failed",
        "groups_full",
        "last_sync_error",
        "requests",
        "requests_max",
        "sync",
        "syncs",
        "unsynced",
        "waits",
        "waits_ns",
    )

    def __init__(self) -> None:
        self.last_sync_error = ""
        self.reset()

    def reset(self) -> None:
        self.groups = 0
        self.groups_failed = 0
        self.groups_full = 0
        self.requests = 0
        self.requests_max = 0
        self.bytes_logged = 0
        self.syncs = 0
        # How often, and how long, the executing thread waited for a place in the pipeline.
        self.waits = 0
        self.waits_ns = 0
        self.sync = Histogram()
        # From the writing of the first record that a sync made durable to the end of that sync.
        self.unsynced = Histogram()
        self.commit = Histogram()
