"""Celery: the application that both the worker and the tests load."""

from __future__ import annotations

import os

from celery import Celery

from tests.ecosystem.support import URL_VARIABLE


def application(result_url: str) -> Celery:
    """The broker speaks what kombu chooses, the results what the URL says."""
    application = Celery("ecosystem", broker=result_url.partition("?")[0], backend=result_url)
    application.conf.update(
        broker_connection_retry_on_startup=True,
        result_expires=300,
        task_acks_late=True,
        task_publish_retry=False,
        worker_hijack_root_logger=False,
    )
    application.task(add, name="add")
    application.task(total, name="total")
    application.task(fail_once, name="fail_once", bind=True, max_retries=1)
    return application


def add(left: int, right: int) -> int:
    """A task with a result."""
    return left + right


def total(numbers: list[int]) -> int:
    """What a chord does when its header is done."""
    return sum(numbers)


def fail_once(self):  # type: ignore[no-untyped-def]
    """A task that succeeds when it is tried again."""
    if self.request.retries == 0:
        raise self.retry(countdown=0)
    return self.request.retries


app = application(os.environ.get(URL_VARIABLE, ""))
