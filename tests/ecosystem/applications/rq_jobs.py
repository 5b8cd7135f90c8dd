"""RQ: functions that a worker imports by name."""

from __future__ import annotations

from rq import get_current_job


def add(left: int, right: int) -> int:
    """A job with a result."""
    return left + right


def succeed_at_last() -> int:
    """A job that fails until no retry is left."""
    job = get_current_job()
    assert job is not None
    if job.retries_left:
        raise RuntimeError("not yet")
    return 7


def report_progress() -> str:
    """A job that writes into its own record."""
    job = get_current_job()
    assert job is not None
    job.meta["progress"] = 100
    job.save_meta()
    return job.id
