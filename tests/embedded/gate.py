"""A log whose syncs wait as long as a test says, and calls that wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import kiwi_engine


class Gate:
    """Stands in for `LogWriter.sync`."""

    def __init__(self, engine: kiwi_engine.Engine) -> None:
        self._log = engine._driver.engine.opened.log
        self._sync = self._log.sync
        self._open = threading.Event()
        self.error: OSError | None = None
        self.is_waiting = threading.Event()
        self._log.sync = self._wait_and_sync  # type: ignore[method-assign]

    def open(self, error: OSError | None = None) -> None:
        """Let all syncs through, or fail them."""
        self.error = error
        self._open.set()

    def remove(self) -> None:
        """Let all syncs through, and those to come."""
        self._log.sync = self._sync  # type: ignore[method-assign]
        self._open.set()

    def _wait_and_sync(self) -> None:
        self.is_waiting.set()
        assert self._open.wait(30)
        if self.error is not None:
            raise self.error
        self._sync()


class Call:
    """A call in a thread of its own."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._function = function
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._function()
        except BaseException as error:  # noqa: BLE001 - raised by `get`
            self.error = error

    def has_ended(self, within_s: float) -> bool:
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def get(self) -> Any:
        assert self.has_ended(30)
        if self.error is not None:
            raise self.error
        return self.result
