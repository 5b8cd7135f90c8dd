"""Waiting and waking."""

from __future__ import annotations

import threading

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.commit.signal import Signal

SECONDS = 20.0


def test_a_wake_before_the_wait_is_not_lost() -> None:
    signal = Signal()
    with signal:
        signal.wake()
        signal.wake()
        started_ns = monotonic_ns()
        signal.wait(SECONDS)
        assert monotonic_ns() - started_ns < SECONDS * 1e9


def test_nobody_is_woken_who_does_not_wait() -> None:
    signal = Signal()
    signal.wake()
    with signal:
        assert signal._lock.locked()
        signal.wait(0.001)


def test_another_thread_is_woken() -> None:
    signal = Signal()
    is_so: list[bool] = []
    ended: list[int] = []

    def wait() -> None:
        with signal:
            while not is_so:
                signal.wait(SECONDS)
        ended.append(len(is_so))

    thread = threading.Thread(target=wait)
    thread.start()
    is_so.append(True)
    signal.wake()
    thread.join(SECONDS)
    assert ended == [1]


class _Released:
    """A lock that somebody else releases at the last moment."""

    def locked(self) -> bool:
        return True

    def release(self) -> None:
        raise RuntimeError("release unlocked lock")


def test_two_who_wake_at_once_do_not_disturb_each_other() -> None:
    signal = Signal()
    with signal:
        signal._lock = _Released()  # type: ignore[assignment]
        signal.wake()
