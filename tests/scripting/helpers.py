"""An executor over a store in memory, to run scripts in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hiredis

from kiwi_engine.commands.executor import Executor
from kiwi_engine.keyspace.encoding import tally
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.testing.memory_store import MemoryStore
from tests.support.client import Argument

NOW_MS = 1_800_000_000_000


class World:
    """Runs commands as one client would, and keeps what the network runtime would be told."""

    def __init__(self, memory_bytes_max: int = 64 * 1024 * 1024) -> None:
        self.executor = Executor(Keyspace(MemoryStore(tally), seed=1))
        self.scripts = self.executor.scripts
        self.scripts.runner.memory_bytes_max = memory_bytes_max
        self.user = ""

    def raw(self, *words: Argument, resp3: bool = False) -> bytes:
        """The encoded reply of one command."""
        encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        return self.executor.execute(0, resp3, [encoded], NOW_MS, 7, self.user)[0]

    def command(self, *words: Argument, resp3: bool = False) -> Any:
        """The reply of one command, errors as values."""
        reader = hiredis.Reader()
        reader.feed(self.raw(*words, resp3=resp3))
        return reader.gets()

    def evaluate(self, script: str, *arguments: Argument, keys: Sequence[Argument] = ()) -> Any:
        """What a script returns."""
        return self.command("EVAL", script, len(keys), *keys, *arguments)
