"""Background jobs: one of a name at a time, nothing lost, errors handed over."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from kiwi_engine.engine.jobs import BackgroundJobs
from tests.commit.fakes import wait_until


def test_results_and_errors_are_collected_once() -> None:
    jobs = BackgroundJobs(2)
    error = OSError("no luck")

    def fail() -> None:
        raise error

    jobs.start("good", lambda: 7)
    jobs.start("bad", fail)
    collected: list[tuple[str, Any, BaseException | None]] = []

    def are_collected() -> bool:
        collected.extend(jobs.collect())
        return len(collected) == 2

    wait_until(are_collected)
    assert sorted(collected) == [("bad", None, error), ("good", 7, None)]
    assert jobs.collect() == []
    assert not jobs.is_running("good")
    assert jobs.close() == []


def test_a_job_runs_until_its_result_is_collected() -> None:
    jobs, gate = BackgroundJobs(1), threading.Event()
    jobs.start("slow", lambda: gate.wait(20))
    assert jobs.is_running("slow")
    with pytest.raises(AssertionError, match="runs already"):
        jobs.start("slow", lambda: None)
    assert jobs.collect() == []
    gate.set()
    assert jobs.wait("slow") == ("slow", True, None)
    jobs.start("slow", lambda: "again")
    assert jobs.close() == [("slow", "again", None)]


def test_its_threads_are_there_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the main thread has ended: other threads of the program go on using an engine."""
    jobs, gate = BackgroundJobs(2), threading.Event()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    jobs.start("first", lambda: gate.wait(20))
    jobs.start("second", gate.set)
    assert jobs.wait("first") == ("first", True, None), "both run at the same time"
    assert jobs.close() == [("second", None, None)]
