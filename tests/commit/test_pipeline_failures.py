"""What fails in the log thread: nobody is left without an answer, nothing wrong is acknowledged."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator

import pytest

from kiwi_engine.commit.group import Group
from kiwi_engine.errors import (
    DiskFullError,
    EnginePoisonedError,
    ReplyError,
    UnknownOutcomeError,
)
from tests.commit.fakes import Recorder, group, large_group, running, wait_until

IO_ERROR = OSError(errno.EIO, "Input/output error")
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def kinds(recorder: Recorder) -> list[tuple[int, type[ReplyError] | None]]:
    return [(run, type(error) if error else None) for run, error in recorder.delivered]


@pytest.mark.parametrize("event", ["append", "begin sync", "sync", "values", "sync values"])
def test_a_failed_operation_poisons_for_good(event: str) -> None:
    recorder = Recorder()
    with running(recorder) as pipeline:
        pipeline.offer(group(1))
        pipeline.wait_idle()
        recorder.errors[event] = [IO_ERROR]
        pipeline.offer(large_group(2, b"k"))
        pipeline.wait_idle()
        assert isinstance(pipeline.failure, EnginePoisonedError)
        assert (pipeline.durable_lsn, pipeline.acknowledged_lsn) == (1, 1)
        before = list(recorder.events)
        pipeline.offer(group(3))
        pipeline.wait_idle()
        assert recorder.events == [*before, ("reply", (3,))], "a poisoned log is not touched"
        assert pipeline.statistics.groups_failed == 2
        assert "Input/output error" in pipeline.statistics.last_sync_error
    assert kinds(recorder) == [(1, None), (2, UnknownOutcomeError), (3, EnginePoisonedError)]


def test_groups_behind_a_failed_one_fail_too() -> None:
    """They were executed on top of what is given up."""
    recorder = Recorder()
    with running(recorder) as pipeline:
        recorder.gate.clear()
        pipeline.offer(group(1))
        wait_until(lambda: "begin sync" in recorder.events)
        reader = Group(0)
        reader.replies.append((2, b"$1\r\nv\r\n", 1))
        pipeline.offer(reader)
        recorder.errors["sync"] = [IO_ERROR]
        recorder.gate.set()
        pipeline.wait_idle()
    assert kinds(recorder) == [(1, UnknownOutcomeError), (2, EnginePoisonedError)]


@pytest.mark.parametrize("event", ["append", "values"])
def test_lack_of_space_passes(event: str) -> None:
    recorder = Recorder()
    with running(recorder) as pipeline:
        recorder.errors[event] = [DiskFullError("no room")]
        pipeline.offer(large_group(1, b"k"))
        pipeline.wait_idle()
        assert isinstance(pipeline.failure, DiskFullError)
        pipeline.offer(group(2))
        pipeline.wait_idle()
        # The executing thread has dropped what failed and goes on.
        pipeline.failure = None
        pipeline.offer(group(3))
        pipeline.wait_idle()
        assert (pipeline.acknowledged_lsn, pipeline.durable_lsn) == (1, 1)
    assert kinds(recorder) == [(1, DiskFullError), (2, DiskFullError), (3, None)]


def test_a_value_log_that_cannot_grow_is_lack_of_space() -> None:
    recorder = Recorder()
    with running(recorder) as pipeline:
        recorder.errors["values"] = [NO_SPACE]
        pipeline.offer(large_group(1, b"k"))
        pipeline.wait_idle()
        assert isinstance(pipeline.failure, DiskFullError)
    assert ("append", 1) not in recorder.events


def test_a_failed_sync_in_the_background_poisons() -> None:
    recorder = Recorder()
    with running(recorder, mode="everysec") as pipeline:
        recorder.errors["sync"] = [IO_ERROR]
        pipeline.offer(group(1))
        pipeline.wait_idle()
        pipeline.want_sync()
        wait_until(lambda: pipeline.failure)
        pipeline.offer(group(2))
        pipeline.wait_idle()
        assert (pipeline.acknowledged_lsn, pipeline.durable_lsn) == (1, 0)
    assert kinds(recorder) == [(1, None), (2, EnginePoisonedError)]


def test_a_failed_sync_at_the_end_is_seen() -> None:
    recorder = Recorder()
    with running(recorder, mode="no") as pipeline:
        recorder.errors["sync"] = [IO_ERROR]
        pipeline.offer(group(1))
        pipeline.close()
    assert isinstance(pipeline.failure, EnginePoisonedError)
    assert pipeline.durable_lsn == 0


@pytest.mark.parametrize("event", ["append", "sync", "values"])
def test_a_bug_in_the_log_thread_answers_everybody(event: str) -> None:
    recorder = Recorder()
    with running(recorder) as pipeline:
        recorder.errors[event] = [AssertionError("a bug")]
        pipeline.offer(large_group(1, b"k"))
        pipeline.wait_idle()
        pipeline.offer(group(2))
        pipeline.wait_idle()
        assert isinstance(pipeline.failure, EnginePoisonedError)
    assert kinds(recorder) == [(1, UnknownOutcomeError), (2, EnginePoisonedError)]


def test_a_bug_in_delivery_stops_nobody_else() -> None:
    recorder = Recorder()
    with running(recorder) as pipeline:
        recorder.errors["reply"] = [AssertionError("a bug"), AssertionError("again")]
        for run in (1, 2, 3):
            pipeline.offer(group(run))
            pipeline.wait_idle()
    assert kinds(recorder) == [(3, EnginePoisonedError)]
