"""Celery and kombu: tasks, groups, chords, retries, remote control of a worker process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery, chain, chord, group
from kombu.connection import Connection
from kombu.entity import Exchange, Queue

from tests.ecosystem.applications import celery_tasks
from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, Address, worker

WORKER = ["celery", "-A", celery_tasks.__name__, "worker", "--pool", "solo", "--without-mingle"]


@pytest.fixture(scope="module")
def application(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Celery]:
    output_path: Path = tmp_path_factory.mktemp("celery") / "worker.output"
    application = celery_tasks.application(url)
    with worker(WORKER, url, output_path):
        yield application
        application.close()


def test_a_task_gives_its_result(application: Celery) -> None:
    result = application.tasks["add"].delay(2, 3)
    assert result.get(timeout=RESULT_TIMEOUT_SECONDS) == 5
    assert result.successful()
    result.forget()


def test_a_chain_hands_results_on(application: Celery) -> None:
    add = application.tasks["add"]
    result = chain(add.s(1, 2), add.s(10))()
    assert result.get(timeout=RESULT_TIMEOUT_SECONDS) == 13


def test_a_group_gives_all_results(application: Celery) -> None:
    add = application.tasks["add"]
    result = group(add.s(number, number) for number in range(5))()
    assert result.get(timeout=RESULT_TIMEOUT_SECONDS) == [0, 2, 4, 6, 8]


def test_a_chord_waits_for_its_header(application: Celery) -> None:
    add, total = application.tasks["add"], application.tasks["total"]
    result = chord([add.s(number, 1) for number in range(4)], total.s())()
    assert result.get(timeout=RESULT_TIMEOUT_SECONDS) == 10


def test_a_failed_task_is_tried_again(application: Celery) -> None:
    result = application.tasks["fail_once"].delay()
    assert result.get(timeout=RESULT_TIMEOUT_SECONDS) == 1


def test_a_task_waits_for_its_time_or_is_revoked(application: Celery) -> None:
    add = application.tasks["add"]
    revoked = add.apply_async((1, 1), countdown=3600)
    revoked.revoke()
    assert add.apply_async((2, 2), countdown=0.1).get(timeout=RESULT_TIMEOUT_SECONDS) == 4
    (known,) = application.control.inspect(timeout=10, limit=1).revoked().values()
    assert revoked.id in known


def test_a_worker_answers_a_ping(application: Celery) -> None:
    application.tasks["add"].delay(1, 1).get(timeout=RESULT_TIMEOUT_SECONDS)
    replies = application.control.inspect(timeout=10, limit=1).ping()
    assert list(replies.values()) == [{"ok": "pong"}]


def test_a_message_is_delivered_again_until_it_is_acknowledged(address: Address) -> None:
    exchange = Exchange("events", type="topic")
    queue = Queue("invoices", exchange, routing_key="invoice.*")
    with Connection(address.url()) as connection:
        with connection.Producer() as producer:
            producer.publish(
                {"number": 7}, exchange=exchange, routing_key="invoice.new", declare=[queue]
            )
        for acknowledge in (False, True):
            simple = connection.SimpleQueue(queue)
            message = simple.get(timeout=RESULT_TIMEOUT_SECONDS)
            assert message.payload == {"number": 7}
            if acknowledge:
                message.ack()
            else:
                message.requeue()
            simple.close()
        assert connection.default_channel.queue_declare("invoices").message_count == 0
