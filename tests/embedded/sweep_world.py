"""An engine that lives through many interrupts, what it should hold, and how that is looked at."""

from __future__ import annotations

import faulthandler
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import kiwi_engine
from kiwi_engine.embedded import lifetime
from tests.commit.fakes import wait_until
from tests.embedded.differences import Rows, differences
from tests.embedded.options import TINY

Changes = Mapping[bytes, bytes | None]

LARGE: Final = b"L" * 200
# Longer than anything may wait.
_PATIENCE_S: Final = 20
# Written by every look, which so finds out that one can write.
_LOOKED: Final = b"z/looked"


class World:
    """`rows` are what `engine` should hold; `number` is that of the round."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.options = {**TINY, "appendfsync": "no", **options}
        self.path = path
        self.engine = kiwi_engine.open(path, **self.options)
        self.rows: Rows = {}
        self.number = 0
        self._thread = ThreadPoolExecutor(1)

    @property
    def text(self) -> bytes:
        """A value of this round."""
        return b"%d" % self.number

    def prepare(self) -> None:
        """Small and large changes, and a deletion, that no range has looked at yet."""
        self.number += 1
        changes = {
            b"m/%d" % (self.number % 7): self.text,
            b"n/%d" % (self.number % 5): LARGE + self.text,
            b"a/%d" % ((self.number + 3) % 6): None,
            b"a/%d" % (self.number % 6): self.text,
        }
        batch = kiwi_engine.WriteBatch()
        for key, value in changes.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        self.engine.write(batch)
        self.rows = updated(self.rows, changes)

    def check(self, *allowed: Rows) -> None:
        """The engine shows one of `allowed`, whichever way one looks; and goes on."""
        rows = self._elsewhere(self._look)
        looked = rows.pop(_LOOKED, None)
        expected = [updated(each, {_LOOKED: None}) for each in allowed]
        assert rows in expected, differences(rows, expected[-1])
        assert looked == self.rows.get(_LOOKED)
        self.rows = {**rows, _LOOKED: self.text}

    def check_let_go(self) -> None:
        """Nothing is left behind of calls that have ended, one way or another."""
        driver = self.engine._driver
        wait_until(lambda: driver.engine.pins.counts() == {})
        wait_until(lambda: len(driver.waiters) == 0)
        assert driver.history.open_transactions == 0
        assert driver._open_views() == []

    def check_reopened(self) -> None:
        """What is there after an orderly end."""
        self._elsewhere(self.engine.close)
        with kiwi_engine.open(self.path, **self.options) as again:
            rows = dict(again.scan())
        assert rows == self.rows, differences(rows, self.rows)

    def end(self) -> None:
        """No more looks."""
        self._thread.shutdown()

    def _elsewhere(self, call: Callable[[], Any]) -> Any:
        """In another thread, and not for ever."""
        future = self._thread.submit(call)
        try:
            return future.result(_PATIENCE_S)
        except TimeoutError:
            faulthandler.dump_traceback(sys.stderr)
            raise AssertionError("another thread waits for ever") from None

    def _look(self) -> Rows:
        engine = self.engine
        rows = dict(engine.scan())
        keys = sorted({*rows, *self.rows})
        found = dict(zip(keys, engine.get_many(keys), strict=True))
        seen = {key: value for key, value in found.items() if value is not None}
        assert seen == rows, f"get is not scan: {differences(seen, rows)}"
        with engine.snapshot() as snapshot:
            seen = dict(snapshot.scan(reverse=True))
        assert seen == rows, f"a snapshot is not scan: {differences(seen, rows)}"
        assert list(engine.keys()) == sorted(rows)
        engine.put(_LOOKED, self.text)
        assert engine.get(_LOOKED) == self.text
        return rows


def updated(rows: Rows, changes: Changes) -> Rows:
    """`rows` when `changes` were made."""
    return {key: value for key, value in {**rows, **changes}.items() if value is not None}


@contextmanager
def world_at(path: Path, **options: Any) -> Iterator[World]:
    """With a last look at the directory; an engine that failed is not waited for."""
    world = World(path, **options)
    try:
        yield world
        world.check_let_go()
        world.check_reopened()
        world.end()
    except BaseException:
        lifetime._open.discard(world.engine._driver)
        raise
