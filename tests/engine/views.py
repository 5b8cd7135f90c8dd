"""Snapshots of the store beside what they must show, for as long as they are open."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Final

from kiwi_engine.commit.group import Entry
from kiwi_engine.engine.overlay import Row
from kiwi_engine.engine.snapshot import SnapshotTaker, StoreSnapshot
from kiwi_engine.vlog.format import decode_pointer
from kiwi_engine.vlog.separated import LargeValue, Separated
from tests.engine.model import EVERYTHING, KEYS, Life, State, expect

OPEN_MAX: Final = 2


class Views:
    """The open snapshots of one life."""

    def __init__(self, life: Life) -> None:
        engine = life.engine
        self._life = life
        self._taker = SnapshotTaker(engine.store, engine.opened.index)
        self._values = engine.opened.value_reader
        self._open: list[tuple[StoreSnapshot, State]] = []

    def step(self, random: Random) -> None:
        """Take one, look through one, or let one go."""
        choice = random.random()
        if choice < 0.3 and len(self._open) < OPEN_MAX:
            pin = self._life.engine.pins.take("snapshot")
            self._open.append((self._taker.take(pin), self._life.state))
        elif self._open and choice < 0.8:
            self.check(*random.choice(self._open))
        elif self._open:
            self._open.pop(random.randrange(len(self._open)))[0].close()
            self._taker.forget_unused()

    def check(self, snapshot: StoreSnapshot, state: State) -> None:
        """It shows what it showed when it was taken."""
        for key in KEYS:
            expect(f"snapshot of {key!r}", self._value(key, snapshot.find(key)), state.get(key))
        for reverse in (False, True):
            rows = self._values_of(snapshot.rows(*EVERYTHING, reverse=reverse))
            wanted = sorted(state.items(), reverse=reverse)
            expect(f"snapshot, reverse={reverse}", rows, wanted)

    def close(self) -> None:
        """As whoever opened them does before the engine is closed."""
        while self._open:
            self._open.pop()[0].close()

    def _values_of(self, rows: Iterable[Row]) -> list[tuple[bytes, bytes | None]]:
        return [(key, self._value(key, entry)) for key, entry in rows if entry is not None]

    def _value(self, key: bytes, entry: Entry) -> bytes | None:
        if isinstance(entry, LargeValue):
            return entry.value
        if isinstance(entry, Separated):
            return self._values.read(key, decode_pointer(entry.pointer))
        return entry
