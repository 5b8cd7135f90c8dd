"""RQ: jobs, dependencies, retries and schedules; a worker process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue, Retry
from rq.job import Job, JobStatus

from tests.ecosystem.applications import rq_jobs
from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, worker
from tests.support.servers import wait_until


@pytest.fixture(scope="module")
def queue(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queue]:
    output_path: Path = tmp_path_factory.mktemp("rq") / "worker.output"
    arguments = ["rq.cli", "worker", "--url", url, "--with-scheduler", "jobs", "other"]
    with Redis.from_url(url) as connection, worker(arguments, url, output_path):
        yield Queue("jobs", connection=connection)


def finished(job: Job) -> object:
    """The result of a job that must succeed."""
    wait_until(lambda: job.get_status() in (JobStatus.FINISHED, JobStatus.FAILED), str(job))
    assert job.get_status(refresh=True) is JobStatus.FINISHED, job.latest_result()
    return job.return_value(refresh=True)


def test_a_job_gives_its_result(queue: Queue) -> None:
    job = queue.enqueue(rq_jobs.add, 2, 3, result_ttl=60)
    assert finished(job) == 5
    assert job.id in queue.finished_job_registry


def test_a_job_waits_for_another(queue: Queue) -> None:
    first = queue.enqueue(rq_jobs.add, 1, 1)
    second = queue.enqueue(rq_jobs.add, 2, 2, depends_on=first)
    assert finished(second) == 4
    assert first.is_finished


def test_many_jobs_at_once(queue: Queue) -> None:
    prepared = [Queue.prepare_data(rq_jobs.add, (number, 1)) for number in range(5)]
    assert [finished(job) for job in queue.enqueue_many(prepared)] == [1, 2, 3, 4, 5]


def test_a_failed_job_is_tried_again(queue: Queue) -> None:
    job = queue.enqueue(rq_jobs.succeed_at_last, retry=Retry(max=1))
    assert finished(job) == 7


def test_a_job_without_retries_fails(queue: Queue) -> None:
    job = queue.enqueue(rq_jobs.add, 1, "one")
    wait_until(lambda: job.get_status() is JobStatus.FAILED, "a failure")
    result = job.latest_result(timeout=RESULT_TIMEOUT_SECONDS)
    assert result is not None
    assert "TypeError" in str(result.exc_string)
    assert job.id in queue.failed_job_registry


def test_a_job_reports_its_progress(queue: Queue) -> None:
    job = queue.enqueue(rq_jobs.report_progress)
    assert finished(job) == job.id
    assert job.get_meta() == {"progress": 100}


def test_a_job_is_scheduled_and_cancelled(queue: Queue) -> None:
    later = queue.enqueue_in(timedelta(hours=1), rq_jobs.add, 1, 1)
    assert later.id in queue.scheduled_job_registry
    later.cancel()
    assert later.id in queue.canceled_job_registry
    assert later.id not in queue.scheduled_job_registry


def test_a_unique_job_is_enqueued_once(queue: Queue) -> None:
    paused = Queue("nobody works here", connection=queue.connection)
    paused.enqueue(rq_jobs.add, 1, 1, job_id="only", unique=True)
    with pytest.raises(Exception, match="only"):
        paused.enqueue(rq_jobs.add, 1, 1, job_id="only", unique=True)
    assert paused.job_ids == ["only"]
    assert paused.empty() == 1
