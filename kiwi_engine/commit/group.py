"""A group: the changes and the waiting replies that share one log record and one sync (pure data).

The executing thread fills a group; once it is offered to the pipeline only the log thread touches
it; once it is durable nobody changes it any more.
"""

from __future__ import annotations

from kiwi_engine.vlog.separated import LargeValue, Separated

# What a key maps to: a value kept inline, one on its way to the value log, one that lies there, or
# a deletion.
Entry = bytes | LargeValue | Separated | None
# (run id, encoded replies, number of replies)
PendingReply = tuple[int, bytes, int]


class Group:
    """Changes are physical and applied as: first `ranges` are deleted, then `changes` are set."""

    __slots__ = (
        "bytes",
        "changes",
        "committed_ms",
        "large",
        "lsn",
        "may_grow",
        "opened_ns",
        "ranges",
        "replies",
        "requests",
    )

    def __init__(self, opened_ns: int) -> None:
        self.opened_ns = opened_ns
        self.changes: dict[bytes, Entry] = {}
        self.ranges: list[tuple[bytes, bytes]] = []
        # Values for the value log; after recovery, those that are there already.
        self.large: list[tuple[bytes, LargeValue | Separated]] = []
        self.replies: list[PendingReply] = []
        self.requests = 0
        self.bytes = 0
        # False once its generation is sealed: what it holds then is what will be drained.
        self.may_grow = True
        # The time that its record is to carry; 0 for that of the commit (a restore gives others).
        self.committed_ms = 0
        # Set by the log thread; 0 while the group is not in the log.
        self.lsn = 0

    @property
    def has_changes(self) -> bool:
        return bool(self.changes) or bool(self.ranges)
