"""APScheduler: jobs that outlive their scheduler in the Redis job store."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.jobstores.base import ConflictingIdError, JobLookupError
from apscheduler.jobstores.redis import RedisJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, Address

pytestmark = pytest.mark.usefixtures("url")
_done = threading.Event()


def work() -> None:
    """A job: the store keeps its name, the scheduler looks it up."""
    _done.set()


@contextlib.contextmanager
def running(
    address: Address, protocol: int, *, paused: bool = False
) -> Iterator[BackgroundScheduler]:
    """A scheduler with its own job store."""
    store = RedisJobStore(**address.options(protocol))
    scheduler = BackgroundScheduler(jobstores={"default": store}, timezone=UTC)
    scheduler.start(paused=paused)
    try:
        yield scheduler
    finally:
        scheduler.shutdown()
        # Its thread may have connected once more after the store had closed.
        store.redis.close()


@pytest.fixture
def scheduler(address: Address, protocol: int) -> Iterator[BackgroundScheduler]:
    _done.clear()
    with running(address, protocol) as scheduler:
        yield scheduler
        scheduler.remove_all_jobs()


def test_a_job_is_run_when_it_is_due(scheduler: BackgroundScheduler) -> None:
    scheduler.add_job(work, "date", run_date=datetime.now(UTC), misfire_grace_time=60)
    assert _done.wait(RESULT_TIMEOUT_SECONDS)


def test_a_job_outlives_its_scheduler(address: Address, protocol: int) -> None:
    _done.clear()
    with running(address, protocol, paused=True) as first:
        first.add_job(work, "interval", seconds=1, id="again", misfire_grace_time=60)
    with running(address, protocol) as second:
        assert [job.id for job in second.get_jobs()] == ["again"]
        assert _done.wait(RESULT_TIMEOUT_SECONDS)
        second.remove_all_jobs()


def test_a_job_is_changed_paused_and_removed(scheduler: BackgroundScheduler) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    scheduler.add_job(work, "date", run_date=tomorrow, id="later")
    with pytest.raises(ConflictingIdError):
        scheduler.add_job(work, "date", run_date=tomorrow, id="later")
    scheduler.modify_job("later", name="renamed")
    assert scheduler.get_job("later").name == "renamed"
    assert scheduler.pause_job("later").next_run_time is None
    assert scheduler.resume_job("later").next_run_time == tomorrow
    scheduler.remove_job("later")
    with pytest.raises(JobLookupError):
        scheduler.remove_job("later")
