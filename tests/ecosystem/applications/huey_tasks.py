"""Huey: the tasks, in a queue that both the consumer and the tests make."""

from __future__ import annotations

import os

from huey import PriorityRedisExpireHuey, RedisHuey
from huey.api import TaskWrapper

from tests.ecosystem.support import URL_VARIABLE

Tasks = dict[str, TaskWrapper]


def make_huey(url: str, *, priority: bool = False) -> tuple[RedisHuey, Tasks]:
    """A queue and its tasks by name."""
    kind = PriorityRedisExpireHuey if priority else RedisHuey
    huey = kind("ecosystem", url=url, read_timeout=1)
    return huey, {
        "add": huey.task(name="add")(add),
        "fail_once": huey.task(name="fail_once", retries=1, context=True)(fail_once),
    }


def add(left: int, right: int) -> int:
    """A task with a result."""
    return left + right


def fail_once(task: object = None) -> str:
    """A task that fails while it has a retry left."""
    if getattr(task, "retries", 0):
        raise RuntimeError("not yet")
    return "done"


huey, _ = make_huey(os.environ.get(URL_VARIABLE, "redis://"))
