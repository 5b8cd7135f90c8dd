"""What is sent to whom, in which form, and what the storage runtime is told of it."""

from __future__ import annotations

from kiwi_engine.channel.events import Published
from kiwi_engine.commands.publishing import SubscriberCounts
from kiwi_engine.server.network.pubsub.broker import Broker
from kiwi_engine.server.network.pubsub.registry import Kind
from kiwi_engine.server.network.session import Session

MESSAGE = b"*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$2\r\nhi\r\n"


class Bench:
    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.behind: list[tuple[int, bytes]] = []
        self.changes = 0
        self.broker = Broker(
            lambda session, encoded: self.sent.append((session, encoded)),
            lambda session, encoded: self.behind.append((session, encoded)),
            self._changed,
        )
        self._sessions = 0

    def _changed(self) -> None:
        self.changes += 1

    def session(self, *, resp3: bool = False) -> Session:
        self._sessions += 1
        session = Session(self._sessions, "", "", 0, authenticated=True)
        session.resp3 = resp3
        session.refresh()
        return session


def test_everyone_gets_the_form_of_its_protocol() -> None:
    bench = Bench()
    for resp3 in (False, True, False):
        bench.broker.subscribe(bench.session(resp3=resp3), Kind.CHANNEL, [b"x"])
    assert bench.broker.publish(b"x", b"hi") == 3
    assert bench.sent == [(1, MESSAGE), (2, b">" + MESSAGE[1:]), (3, MESSAGE)]
    assert bench.sent[0][1] is bench.sent[2][1], "it is encoded once"
    assert bench.broker.publish(b"y", b"hi") == 0


def test_a_pattern_is_another_message() -> None:
    bench = Bench()
    session = bench.session()
    bench.broker.subscribe(session, Kind.PATTERN, [b"*", b"y"])
    bench.broker.subscribe(session, Kind.CHANNEL, [b"x"])
    assert bench.broker.publish(b"x", b"hi") == 2
    pattern_message = b"*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\nx\r\n$2\r\nhi\r\n"
    assert bench.sent == [(1, MESSAGE), (1, pattern_message)]


def test_shard_channels_are_a_world_of_their_own() -> None:
    bench = Bench()
    session = bench.session()
    bench.broker.subscribe(session, Kind.SHARD_CHANNEL, [b"x"])
    bench.broker.subscribe(session, Kind.PATTERN, [b"*"])
    bench.broker.deliver(Published(b"x", b"hi", is_sharded=True))
    assert bench.sent == [(1, b"*3\r\n$8\r\nsmessage\r\n$1\r\nx\r\n$2\r\nhi\r\n")]


def test_the_publisher_gets_its_message_behind_its_reply() -> None:
    bench = Bench()
    publisher = bench.session(resp3=True)
    bench.broker.subscribe(publisher, Kind.CHANNEL, [b"x"])
    assert bench.broker.publish(b"x", b"hi", publisher=publisher.id) == 1
    assert (bench.sent, bench.behind) == ([], [(1, b">" + MESSAGE[1:])])


def test_a_session_is_plain_unless_messages_could_be_taken_for_replies() -> None:
    bench = Bench()
    old, new = bench.session(), bench.session(resp3=True)
    for session in (old, new):
        bench.broker.subscribe(session, Kind.CHANNEL, [b"x", b"y"])
    assert (old.is_plain, new.is_plain) == (False, True)
    bench.broker.unsubscribe(old, Kind.CHANNEL, [b"x"])
    assert not old.is_plain
    bench.broker.unsubscribe(old, Kind.CHANNEL, [])
    assert old.is_plain


def test_who_is_gone_does_not_come_back() -> None:
    """Its SUBSCRIBE may have waited behind a write when the connection was lost."""
    bench = Bench()
    session = bench.session()
    bench.broker.subscribe(session, Kind.CHANNEL, [b"x"])
    session.is_closed = True
    bench.broker.forget(session)
    assert bench.broker.subscribe(session, Kind.CHANNEL, [b"x"]) == b""
    assert bench.broker.registry.subscribers_count == 0
    assert bench.broker.publish(b"x", b"hi") == 0


def test_changes_of_counts_are_told_together() -> None:
    bench = Bench()
    first, second = bench.session(), bench.session()
    bench.broker.subscribe(first, Kind.CHANNEL, [b"x", b"y"])
    bench.broker.subscribe(second, Kind.CHANNEL, [b"x", b"x"])
    bench.broker.subscribe(second, Kind.PATTERN, [b"*"])
    bench.broker.unsubscribe(first, Kind.CHANNEL, [b"y", b"nosuch"])
    assert bench.changes == 1
    expected = {"channels": {b"x": 2, b"y": 0}, "patterns": {b"*": 1}}
    assert bench.broker.take_changes() == expected
    assert bench.broker.take_changes() == {}
    bench.broker.forget(second)
    assert bench.changes == 2
    assert bench.broker.take_changes() == {"channels": {b"x": 1}, "patterns": {b"*": 0}}


def test_a_new_storage_runtime_is_told_everything() -> None:
    bench = Bench()
    session = bench.session()
    assert list(bench.broker.greeting()) == []
    bench.broker.subscribe(session, Kind.CHANNEL, [b"x"])
    bench.broker.take_changes()
    bench.broker.subscribe(session, Kind.SHARD_CHANNEL, [b"x"])
    bench.broker.subscribe(session, Kind.PATTERN, [b"x*"])
    ((method, parameters),) = bench.broker.greeting()
    counts = SubscriberCounts()
    counts.change(parameters)
    assert method == "subscribers"
    assert (counts.receivers(b"x"), counts.receivers(b"x", is_sharded=True)) == (2, 1)
    assert counts.receivers(b"xy") == 1
    assert bench.broker.take_changes() == {}, "it knows them by now"
