"""What is answered while a script runs, and what is kept until it is over."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from kiwi_engine.channel.events import Event, ScriptIsSlow
from kiwi_engine.channel.frames import Query, ReceivedRequest, ReceivedRun, RunFlags
from kiwi_engine.config.settings import Settings
from kiwi_engine.scripting.runner import BUSY_SCRIPT
from kiwi_engine.server.storage.script_watch import ScriptWatch
from tests.scripting.helpers import World

OWN_SOURCE = 7
LOOP = "while true do end"


def run(number: int, *commands: list[bytes], source: int = 9, flags: int = 0) -> ReceivedRun:
    """A run as it arrives; `OWN_SOURCE` is the connection of the script."""
    encoded = msgspec.Raw(msgspec.msgpack.encode(list(commands)))
    return ReceivedRun(number, 0, 0, False, encoded, source, flags)


class Rest:
    """Stands for `RunExecution`: the runs behind the script in its own frame."""

    def __init__(self, *runs: ReceivedRun) -> None:
        self._runs = list(runs)

    def take_rest(self) -> list[ReceivedRun]:
        taken, self._runs = self._runs, []
        return taken


class Scene:
    """A world whose scripts are busy at once, and what it sends."""

    def __init__(self, rest: Rest, frames: list[list[ReceivedRequest]]) -> None:
        self.world = World()
        self.replies: dict[int, bytes] = {}
        self.answers: list[Any] = []
        self.told: list[Event] = []
        self._frames = frames
        executor = self.world.executor
        self.watch = ScriptWatch(
            executor,
            cast(Any, rest),
            self._send,
            self.told.append,
            lambda query: (query.id, "", query.method),
        )
        self.watch.configure(Settings(busy_reply_threshold=1, request_timeout=1000))
        self.watch.receive = self._receive
        executor.scripts.runner.hook_instructions = 1000

    def _send(self, replies: list[tuple[int, bytes]], answers: list[Any]) -> None:
        self.replies.update(replies)
        self.answers += answers

    def _receive(self) -> list[ReceivedRequest] | None:
        return self._frames.pop(0) if self._frames else None


def test_runs_are_answered_and_the_script_is_killed() -> None:
    rest = Rest(run(1, [b"GET", b"a"]), run(2, [b"GET", b"a"], source=OWN_SOURCE))
    frames = [
        [ReceivedRequest([run(3, [b"GET", b"a"], [b"SET", b"a", b"1"])], [])],
        [],
        [ReceivedRequest([run(4, [b"FUNCTION", b"KILL"])], [])],
        [ReceivedRequest([run(5, [b"script", b"Kill"], [b"GET", b"a"])], [])],
    ]
    scene = Scene(rest, frames)
    reply = scene.world.raw("EVAL", LOOP, 0)
    assert reply.startswith(b"-ERR Script killed by user with SCRIPT KILL... script: ")
    assert scene.replies == {
        1: BUSY_SCRIPT,
        3: 2 * BUSY_SCRIPT,
        4: BUSY_SCRIPT,
        5: b"+OK\r\n" + BUSY_SCRIPT,
    }
    assert scene.told == [ScriptIsSlow(True), ScriptIsSlow(False)]
    assert [kept.runs[0].id for kept in scene.watch.take_later()] == [2]
    assert scene.watch.take_later() == []


def test_a_transaction_is_aborted_and_watches_no_more() -> None:
    scene = Scene(Rest(), [[ReceivedRequest([run(1, [b"GET", b"a"], flags=RunFlags.ATOMIC)], [])]])
    watched = scene.world.executor.watched
    scene.world.executor.execute(0, False, [[b"WATCH", b"a"]], 1, source=9)
    assert len(watched) == 1
    scene.world.raw("EVAL", LOOP, 0)
    assert scene.replies[1].startswith(b"-EXECABORT Transaction discarded because of: BUSY Redis")
    assert len(watched) == 0


def test_questions_are_answered_and_orders_are_kept() -> None:
    queries = [Query(1, "ping", {}), Query(2, "config_set", {}), Query(3, "stats", {})]
    scene = Scene(Rest(), [[ReceivedRequest([], queries, [4])]])
    scene.world.raw("EVAL", LOOP, 0)
    assert scene.answers == [(1, "", "ping"), (3, "", "stats")]
    (kept,) = scene.watch.take_later()
    assert (kept.gone, [query.method for query in kept.queries]) == ([4], ["config_set"])


def test_the_end_of_the_channel_kills_a_script_that_has_not_written() -> None:
    scene = Scene(Rest(), [])
    assert scene.world.raw("EVAL", LOOP, 0).startswith(b"-ERR Script killed")


def test_the_end_of_the_channel_ends_the_process_of_one_that_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(Rest(), [])

    def leave(code: int) -> None:
        monkeypatch.undo()
        scene.watch.receive = None
        run = scene.world.scripts.runner.current
        assert run is not None
        run.is_killed = True
        scene.replies[0] = b"exit %d" % code

    monkeypatch.setattr("kiwi_engine.server.storage.script_watch.os._exit", leave)
    scene.world.raw("EVAL", f"redis.call('SET', 'a', 1) {LOOP}", 0)
    assert scene.replies == {0: b"exit 1"}
