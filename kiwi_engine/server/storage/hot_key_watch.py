"""Watching which keys are written most, and limiting them where asked to (shell: executing thread).

One command every 16 ms is looked at, with the weight of those it stands for: that takes less than
1 % of the thread, however many there are. Only while `write-hot-key-limit` is set is each write
counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from kiwi_engine.channel.frames import ReceivedRun, Run
from kiwi_engine.clock import monotonic_ns
from kiwi_engine.commands.executor import Executor
from kiwi_engine.commands.registry import COMMANDS, lookup
from kiwi_engine.commands.table import Command, arity_accepts
from kiwi_engine.commands.written_keys import written_keys
from kiwi_engine.commit.hot_keys import HotKeys, WriteWindow
from kiwi_engine.errors import OverloadedError

# Milliseconds between two looks, as a power of two: no frame pays for more than a shift.
SAMPLE_SHIFT: Final = 4
SHOWN_MAX: Final = 10
SHARE_MIN: Final = 0.01
HITS_MIN: Final = 8
_KEY_SHOWN_BYTES_MAX: Final = 64
# Of a command with more keys the first ones are taken.
_KEYS_A_SAMPLE: Final = 16
_RATE_INTERVAL_NS: Final = 1_000_000_000
_HALVE_INTERVAL_NS: Final = 4_000_000_000
# Coprime to most lengths, so that samples walk over all places of frames and runs.
_STRIDE: Final = 7919
_WRITE_NAMES: Final = frozenset(name for name, row in COMMANDS.items() if row.is_write)


class HotKeyWatch:
    """Owned by `RunExecution`. `rejected` counts the writes that exceeded the limit."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._keys = HotKeys()
        self._window = WriteWindow()
        self._turn = 0
        self._limit = 0
        self._counted_ns = self._halved_ns = monotonic_ns()
        self._writes_counted = 0
        # The wall clock at the last look, in units of its interval.
        self.sampled = 0
        self.writes_per_second = 0.0
        self.rejected = 0

    def set_limit(self, limit: int) -> None:
        """Writes a second and key from now on; 0 for no limit."""
        self._limit = limit
        self._executor.admit = self._admit if limit else None

    @property
    def share(self) -> float:
        """What part of all writes goes to the hottest key."""
        top = self._keys.top(1, SHARE_MIN, HITS_MIN)
        return top[0].share if top else 0.0

    def sample(self, runs: Sequence[Run | ReceivedRun], now_ms: int) -> None:
        """Look at one command of a frame; the caller does so when `sampled` is over."""
        self.sampled = now_ms >> SAMPLE_SHIFT
        self._turn += _STRIDE
        run = runs[self._turn % len(runs)]
        commands = run.commands
        if not commands:
            # A transaction that only asks whether what it watches has changed.
            return
        words = commands[self._turn % len(commands)]
        command = lookup(words[0])
        if command is None or not command.is_write or not arity_accepts(command.arity, len(words)):
            return
        weight = float(len(runs) * len(commands))
        self._keys.add_total(weight)
        for key in islice(set(written_keys(command, words)), _KEYS_A_SAMPLE):
            self._keys.add((run.db, key), weight)

    def maintain(self) -> bool:
        """To be called often: measures the rate of writes and forgets the past.

        Returns whether a second is over and everything is up to date.
        """
        now_ns = monotonic_ns()
        if now_ns - self._counted_ns < _RATE_INTERVAL_NS:
            return False
        usage = self._executor.usage
        writes = sum(each.calls for name, each in usage.items() if name in _WRITE_NAMES)
        # Statistics may have been reset meanwhile.
        added = max(0, writes - self._writes_counted)
        self.writes_per_second = added * 1e9 / (now_ns - self._counted_ns)
        self._writes_counted, self._counted_ns = writes, now_ns
        if now_ns - self._halved_ns >= _HALVE_INTERVAL_NS:
            self._halved_ns = now_ns
            self._keys.halve()
        return True

    def facts(self) -> dict[str, Any]:
        """The `hotkeys` section of INFO; rates are estimates."""
        hot = self._keys.top(SHOWN_MAX, SHARE_MIN, HITS_MIN)
        rows = {
            f"hot_key_{number}": {
                "db": each.database,
                "writes_per_sec": round(each.share * self.writes_per_second),
                "share_percent": round(each.share * 100, 1),
                "key": printable(each.key),
            }
            for number, each in enumerate(hot, start=1)
        }
        return {
            "writes_per_sec": round(self.writes_per_second),
            "write_hot_key_limit": self._limit,
            "writes_rejected": self.rejected,
            **rows,
        }

    def _admit(
        self, database: int, command: Command, words: list[bytes], now_ms: int
    ) -> OverloadedError | None:
        """The error for a write to a key that had its share of this second."""
        keys = [(database, key) for key in dict.fromkeys(written_keys(command, words))]
        over = self._window.admit(keys, self._limit, now_ms)
        if over is None:
            return None
        self.rejected += 1
        return OverloadedError(
            f"BUSY hot key '{printable(over[1])}': more than {self._limit} writes a second; "
            "not executed"
        )


def printable(key: bytes) -> str:
    """`key` in ASCII without separators of INFO, shortened."""
    shown = "".join(
        chr(byte) if 0x20 < byte < 0x7F and byte not in b"\\,='" else f"\\x{byte:02x}"
        for byte in key[:_KEY_SHOWN_BYTES_MAX]
    )
    return shown + ("..." if len(key) > _KEY_SHOWN_BYTES_MAX else "")
