"""Which connections are told of an event, when, and what; without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kiwi_engine.channel.events import Flushed, Invalidated
from kiwi_engine.channel.frames import RunFlags
from kiwi_engine.server.network.peers.peers import Alone
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.tracking.mode import TrackingOptions
from kiwi_engine.server.network.tracking.tracking import Tracking

ALL_KEYS = b">2\r\n$10\r\ninvalidate\r\n_\r\n"


def invalidate(*keys: bytes) -> bytes:
    bulks = b"".join(b"$%d\r\n%b\r\n" % (len(key), key) for key in keys)
    return b">2\r\n$10\r\ninvalidate\r\n*%d\r\n%b" % (len(keys), bulks)


class World:
    """Connections; those in `waiting` have replies that may not leave yet."""

    def __init__(self) -> None:
        self.sessions: dict[int, Session] = {}
        self.pushed: list[tuple[int, bytes]] = []
        self.waiting: dict[int, list[Callable[[], None]]] = {}
        self.told: list[dict[str, Any]] = []
        self.tracking = Tracking(
            self, lambda method, parameters: self.told.append(parameters), Alone()
        )

    def connect(self, options: TrackingOptions | None = None, *, resp3: bool = True) -> Session:
        number = len(self.sessions) + 1
        session = Session(number, "c:1", "s:1", 0, authenticated=True)
        session.resp3 = resp3
        self.sessions[number] = session
        if options is not None:
            self.tracking.start(session, options)
        return session

    def find_session(self, session_id: int) -> Session | None:
        return self.sessions.get(session_id)

    def push(self, session_id: int, encoded: bytes) -> None:
        self.pushed.append((session_id, encoded))

    def behind_answers(self, session_id: int, action: Callable[[], None]) -> None:
        if session_id in self.waiting:
            self.waiting[session_id].append(action)
        elif session_id in self.sessions:
            action()

    def invalidated(self, key: bytes, *sources: int, by: int = 0) -> None:
        self.tracking.invalidated(Invalidated(key, list(sources), by))

    def take(self) -> list[tuple[int, bytes]]:
        pushed, self.pushed = self.pushed, []
        return pushed


@pytest.fixture
def world() -> World:
    return World()


def test_each_reader_is_told(world: World) -> None:
    first, second = (world.connect(TrackingOptions()) for _ in range(2))
    world.connect()
    world.invalidated(b"k", 1, 2, 3, 99, by=1)
    assert world.take() == [(first.id, invalidate(b"k")), (second.id, invalidate(b"k"))]


def test_own_changes_need_not_be_told(world: World) -> None:
    session = world.connect(TrackingOptions(no_loop=True))
    world.invalidated(b"k", session.id, by=session.id)
    assert world.take() == []
    world.invalidated(b"k", session.id, by=7)
    assert world.take() == [(session.id, invalidate(b"k"))]


def test_a_message_waits_for_replies_that_are_there(world: World) -> None:
    """And is decided upon then: what is answered may be the beginning of tracking itself."""
    session = world.connect()
    world.waiting[session.id] = []
    world.invalidated(b"k", session.id)
    assert world.take() == []
    world.tracking.start(session, TrackingOptions())
    for action in world.waiting.pop(session.id):
        action()
    assert world.take() == [(session.id, invalidate(b"k"))]


def test_the_storage_runtime_is_told_what_is_wanted(world: World) -> None:
    assert list(world.tracking.greeting()) == []
    by_keys = world.connect(TrackingOptions())
    nothing, keys = {"anybody": False, "all_keys": False}, {"anybody": True, "all_keys": False}
    everything = {"anybody": True, "all_keys": True}
    assert world.told == [keys]
    by_prefix = world.connect(TrackingOptions(is_broadcast=True, prefixes=(b"a",)))
    world.connect(TrackingOptions(is_broadcast=True))
    assert world.told == [keys, everything]
    assert list(world.tracking.greeting()) == [("tracking", everything)]
    world.tracking.stop(by_prefix)
    world.tracking.stop(by_prefix)
    world.tracking.stop(world.sessions[3])
    world.tracking.stop(by_keys)
    assert world.told == [keys, everything, keys, nothing]
    assert list(world.tracking.greeting()) == []
    assert (len(world.tracking), len(world.tracking.prefixes)) == (0, 0)


def test_everybody_is_told_to_forget_everything(world: World) -> None:
    world.connect(TrackingOptions(no_loop=True))
    world.connect(TrackingOptions(is_broadcast=True, prefixes=(b"a",)))
    world.connect()
    world.tracking.flushed(Flushed(1))
    assert world.take() == [(1, ALL_KEYS), (2, ALL_KEYS)]
    world.tracking.forget_all()
    assert world.take() == [(1, ALL_KEYS), (2, ALL_KEYS)]


def test_what_changes_in_one_turn_is_told_together(world: World) -> None:
    async def change() -> None:
        world.connect(TrackingOptions(is_broadcast=True, no_loop=True))
        world.connect(TrackingOptions(is_broadcast=True, prefixes=(b"b", b"a")))
        # It has read the key before it went over to prefixes.
        world.invalidated(b"b2", 1, by=1)
        world.invalidated(b"b1", by=2)
        world.invalidated(b"a1", by=1)
        world.invalidated(b"c1", by=1)
        assert world.take() == []
        await asyncio.sleep(0)

    asyncio.run(change())
    assert world.take() == [
        (1, invalidate(b"b1")),
        (2, invalidate(b"a1")),
        (2, invalidate(b"b1", b"b2")),
    ]


def test_one_that_leaves_before_it_is_told_is_no_harm(world: World) -> None:
    async def change() -> None:
        session = world.connect(TrackingOptions(is_broadcast=True))
        world.invalidated(b"k", by=9)
        world.tracking.stop(session)
        await asyncio.sleep(0)

    asyncio.run(change())
    assert world.take() == []


@pytest.mark.parametrize(
    ("options", "is_caching", "flags", "is_plain"),
    [
        (TrackingOptions(), False, RunFlags.TRACKED, False),
        (TrackingOptions(is_broadcast=True), False, 0, True),
        (TrackingOptions(opts_in=True), False, 0, True),
        (TrackingOptions(opts_in=True), True, RunFlags.TRACKED, False),
        (TrackingOptions(opts_out=True), False, RunFlags.TRACKED, False),
        # Not plain, since the next command ends it.
        (TrackingOptions(opts_out=True), True, 0, False),
        # Left over from a mode that was changed meanwhile.
        (TrackingOptions(), True, RunFlags.TRACKED, False),
    ],
)
def test_what_is_remembered(
    world: World, options: TrackingOptions, is_caching: bool, flags: int, is_plain: bool
) -> None:
    session = world.connect(options)
    assert session.tracking is not None
    session.tracking.is_caching = is_caching
    session.refresh()
    assert (session.run_flags, session.is_plain) == (flags, is_plain)
    session.no_touch = True
    session.refresh()
    assert (session.run_flags, session.is_plain) == (flags | RunFlags.UNTOUCHED, False)
