"""Finding commands that took long (pure).

The executor reads its clock once for a row of equal commands, because a reading costs a tenth of a
fast command. So what is found slow is a row: of one command as a rule, since only rows of thousands
of fast ones take as long as a threshold of milliseconds. Where the threshold is lower, each command
is timed by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

from kiwi_engine.channel.events import Event, SlowCommand
from kiwi_engine.clock import monotonic_ns, wall_us
from kiwi_engine.commands.table import Command

# Below this threshold each command is timed.
_EACH_BELOW_US: Final = 1000
# As in Redis' slow log.
ARGUMENTS_MAX: Final = 32
ARGUMENT_BYTES_MAX: Final = 128


class Slowness:
    """`threshold_ns`: rows that take as long are told; `times_each`: rows of one command only."""

    def __init__(self) -> None:
        self.threshold_ns: float = inf
        self.times_each = False

    def configure(self, threshold_us: float) -> None:
        """Tell what takes `threshold_us` or longer; infinite: nothing."""
        self.threshold_ns = threshold_us * 1000
        self.times_each = threshold_us < _EACH_BELOW_US

    def tell(
        self,
        emit: Callable[[Event], None],
        command: Command,
        words: list[bytes],
        count: int,
        duration_ns: int,
        source: int,
        arrived_ns: int,
    ) -> None:
        """Emit that a row of `count` commands took long, `words` being the first of them."""
        if "skip_slowlog" in command.flags:
            return
        ended_ns = monotonic_ns()
        queued_ns = ended_ns - duration_ns - arrived_ns if arrived_ns else 0
        emit(
            SlowCommand(
                source,
                command.name,
                "fast" in command.flags,
                shortened(words, count),
                wall_us() // 1_000_000,
                max(0, queued_ns // 1000),
                duration_ns // 1000,
                ended_ns,
            )
        )


def shortened(words: list[bytes], count: int = 1) -> list[bytes]:
    """The words as the slow log keeps them: so many, so long at most."""
    kept = words if len(words) <= ARGUMENTS_MAX else words[: ARGUMENTS_MAX - 1]
    short = [
        word
        if len(word) <= ARGUMENT_BYTES_MAX
        else b"%b... (%d more bytes)" % (word[:ARGUMENT_BYTES_MAX], len(word) - ARGUMENT_BYTES_MAX)
        for word in kept
    ]
    if len(kept) < len(words):
        short.append(b"... (%d more arguments)" % (len(words) - len(kept)))
    if count > 1:
        short.append(b"... (%d such commands in a row)" % count)
    return short
