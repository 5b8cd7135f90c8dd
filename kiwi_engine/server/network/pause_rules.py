"""What CLIENT PAUSE holds back, and until when (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kiwi_engine.commands.registry import lookup
from kiwi_engine.commands.resolve import Resolved
from kiwi_engine.commands.table import Command

# They may write, or tell others, though they are no writes by themselves.
_MAY_REPLICATE: Final = frozenset(("eval", "evalsha", "fcall", "pfcount", "publish", "spublish"))


class Pause:
    """Owned by the network runtime; times are nanoseconds of the monotonic clock."""

    def __init__(self) -> None:
        self.until_ns = 0
        self.holds_all = False

    def is_on(self, now_ns: int) -> bool:
        """Whether something is held back."""
        return now_ns < self.until_ns

    def begin(self, now_ns: int, until_ns: int, *, holds_all: bool) -> None:
        """Hold back writes, or all commands; a pause under way only becomes longer and wider."""
        self.holds_all = holds_all or (self.holds_all and self.is_on(now_ns))
        self.until_ns = max(self.until_ns, until_ns)

    def end(self) -> None:
        """Hold back nothing any more."""
        self.until_ns = 0

    def holds(
        self, now_ns: int, resolved: Resolved, queued: Iterable[list[bytes]] | None = None
    ) -> bool:
        """Whether a command has to wait; `queued` are those of the transaction that it ends."""
        if not self.is_on(now_ns):
            return False
        if self.holds_all or _may_write(resolved.row):
            return True
        rows = [lookup(words[0]) for words in queued or () if resolved.name == "exec"]
        return any(row is not None and _may_write(row) for row in rows)


def _may_write(row: Command) -> bool:
    return row.is_write or row.name in _MAY_REPLICATE
