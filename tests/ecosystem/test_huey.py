"""Huey: tasks, schedules, retries, locks, rate limits; a consumer process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huey import RedisHuey
from huey.exceptions import TaskException, TaskLockedException

from tests.ecosystem.applications import huey_tasks
from tests.ecosystem.applications.huey_tasks import Tasks
from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, worker
from tests.support.servers import wait_until

CONSUMER = [
    "huey.bin.huey_consumer",
    f"{huey_tasks.__name__}.huey",
    *("--workers", "2", "--scheduler-interval", "1", "--disable-health-check"),
]


@pytest.fixture(scope="module")
def queue(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RedisHuey, Tasks]]:
    output_path: Path = tmp_path_factory.mktemp("huey") / "consumer.output"
    huey, tasks = huey_tasks.make_huey(url)
    with worker(CONSUMER, url, output_path):
        yield huey, tasks
    huey.storage.conn.connection_pool.disconnect()


@pytest.fixture
def huey(queue: tuple[RedisHuey, Tasks]) -> RedisHuey:
    return queue[0]


@pytest.fixture
def tasks(queue: tuple[RedisHuey, Tasks]) -> Tasks:
    return queue[1]


def test_a_task_gives_its_result(tasks: Tasks) -> None:
    assert tasks["add"](2, 3).get(blocking=True, timeout=RESULT_TIMEOUT_SECONDS) == 5


def test_a_pipeline_hands_results_on(huey: RedisHuey, tasks: Tasks) -> None:
    results = huey.enqueue(tasks["add"].s(1, 2).then(tasks["add"], 10))
    assert results.get(blocking=True, timeout=RESULT_TIMEOUT_SECONDS) == [3, 13]


def test_many_results_at_once(tasks: Tasks) -> None:
    results = tasks["add"].map([(number, 1) for number in range(4)])
    assert results.get(blocking=True, timeout=RESULT_TIMEOUT_SECONDS) == [1, 2, 3, 4]


def test_a_failed_task_is_tried_again(tasks: Tasks) -> None:
    result = tasks["fail_once"]()

    def is_done() -> bool:
        try:
            return bool(result.get() == "done")
        except TaskException:
            # What the first attempt left; the second one puts its result there, too.
            result.reset()
            return False

    wait_until(is_done, "the second attempt")


def test_a_task_is_scheduled_or_revoked(huey: RedisHuey, tasks: Tasks) -> None:
    later = tasks["add"].schedule((1, 1), delay=3600)
    soon = tasks["add"].schedule((2, 2), delay=1)
    later.revoke()
    assert later.is_revoked()
    assert soon.get(blocking=True, timeout=RESULT_TIMEOUT_SECONDS) == 4
    assert [task.id for task in huey.scheduled()] == [later.id]


def test_a_lock_has_one_owner(huey: RedisHuey) -> None:
    with huey.lock_task("report"), pytest.raises(TaskLockedException), huey.lock_task("report"):
        pass
    assert not huey.is_locked("report")


def test_values_are_kept(huey: RedisHuey) -> None:
    huey.put("key", [1, 2])
    assert huey.get("key", peek=True) == [1, 2]
    assert huey.get("key") == [1, 2]
    assert huey.get("key") is None


def test_priorities_come_first(url: str) -> None:
    huey, tasks = huey_tasks.make_huey(url, priority=True)
    huey.flush()
    low = tasks["add"].s(1, 1, priority=1)
    high = tasks["add"].s(2, 2, priority=9)
    handles = [huey.enqueue(low), huey.enqueue(high)]
    assert [huey.dequeue().id for _ in range(2)] == [high.id, low.id]
    assert huey.execute(high) == 4
    assert handles[1].get() == 4
    huey.storage.conn.connection_pool.disconnect()
