"""The observer of the storage runtime: what it publishes, and whom else it tells."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.notifications.observed import ObservedSession

BY_KEY = ("__keyspace@0__:k", "set")
BY_EVENT = ("__keyevent@0__:set", "k")


class Listener:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.keys: list[tuple[int, bytes]] = []
        self.databases: list[tuple[int, ...]] = []

    def touched(self, db: int, key: bytes) -> None:
        self.keys.append((db, key))

    def flushed(self, databases: Iterable[int]) -> None:
        self.databases.append(tuple(databases))


@pytest.mark.parametrize(
    ("classes", "messages"),
    [
        ("K$", [BY_KEY]),
        ("E$", [BY_EVENT]),
        ("KE$", [BY_KEY, BY_EVENT]),
        ("KEA", [BY_KEY, BY_EVENT]),
        ("KEg", []),
        ("A", []),
        ("", []),
    ],
)
def test_channels_and_classes(classes: str, messages: list[tuple[str, str]]) -> None:
    session = ObservedSession(classes)
    session.run("set k v")
    assert session.messages() == messages


def test_names_are_bytes() -> None:
    session = ObservedSession("KE$")
    session.database = 9
    session.words(b"set", b"\xff\0\r\n", b"v")
    first, second = session.published
    assert first.channel == b"__keyspace@9__:\xff\0\r\n"
    assert (second.channel, second.message) == (b"__keyevent@9__:set", b"\xff\0\r\n")
    assert not first.is_sharded


def test_nobody_is_told_what_nobody_wants_to_know() -> None:
    session = ObservedSession("A")

    def observer() -> object:
        return session.keyspace.observation.observer

    assert observer() is None
    session.publish("EA")
    assert observer() is session.observer
    session.publish("")
    assert observer() is None
    listener = Listener()
    session.observer.set_listener("watched", listener)
    assert observer() is session.observer
    session.observer.set_listener("watched", None)
    assert observer() is None
    assert session.events("set k v") == []
    assert listener.keys == []


def test_listeners_hear_of_changes() -> None:
    session = ObservedSession("")
    watched, ready = Listener(), Listener()
    session.observer.set_listener("watched", watched)
    session.observer.set_listener("ready", ready)
    for line in ("mset a 1 b 2", "get a", "xadd s 1-1 f v", "copy a c db 3"):
        session.run(line)
    assert watched.keys == ready.keys == [(0, b"a"), (0, b"b"), (0, b"s"), (3, b"c")]


def test_only_who_waits_for_keys_hears_of_what_leaves_their_values_as_they_were() -> None:
    session = ObservedSession("Et")
    session.run("xgroup create s g $ mkstream")
    watched, ready = Listener(), Listener()
    session.observer.set_listener("watched", watched)
    session.observer.set_listener("ready", ready)
    assert session.events("xgroup createconsumer s g c") == ["xgroup-createconsumer s"]
    assert ready.keys == []
    assert session.events("xgroup destroy s g") == ["xgroup-destroy s"]
    assert watched.keys == []
    assert ready.keys == [(0, b"s")]


def test_what_is_not_found_wakes_nobody() -> None:
    """Or a command that waits for a key would wake itself by looking for it."""
    session = ObservedSession("KEmn")
    ready = Listener()
    session.observer.set_listener("ready", ready)
    assert session.events("xread block 0 streams s 0") == ["keymiss s", "keymiss s"]
    assert ready.keys == []


def test_a_silent_change_is_told_to_listeners_alone() -> None:
    """PFCOUNT keeps its estimate in the value."""
    session = ObservedSession("KEA")
    session.run("pfadd p a b c")
    watched = Listener()
    session.observer.set_listener("watched", watched)
    assert session.events("pfcount p") == []
    assert watched.keys == [(0, b"p")]


def test_flushed_and_swapped_databases() -> None:
    session = ObservedSession("KEA")
    listener = Listener()
    session.observer.set_listener("watched", listener)
    for line in ("flushdb", "flushall", "swapdb 1 2", "swapdb 3 3"):
        assert session.events(line) == []
    assert listener.databases == [(0,), tuple(range(16)), (1, 2)]


def test_new_keys_are_told_of_only_while_somebody_wants_to_know() -> None:
    session = ObservedSession("KE$n")
    assert session.events("set k v") == ["new k", "set k"]
    assert session.events("set k v") == ["set k"]
    session.publish("KE$")
    assert session.events("set other v") == ["set other"]


def test_new_keys_in_databases_that_were_flushed_or_swapped() -> None:
    session = ObservedSession("KE$n")
    session.run("set k v")
    session.run("flushdb")
    assert session.events("set k v") == ["new k", "set k"]
    session.run("swapdb 0 1")
    assert session.events("set k v") == ["new k", "set k"]
    session.database = 1
    assert session.events("set k v") == ["set k@1"]


@pytest.mark.parametrize(
    "line", ["lpush k x", "hset k f v", "sadd k x", "zadd k 1 x", "xadd k 1-1 f v", "pfadd k x"]
)
def test_new_collections(line: str) -> None:
    session = ObservedSession("KEAn")
    assert session.events(line)[0] == "new k"
    assert "new k" not in session.events(line.replace("x", "y").replace("1-1", "2-2"))


def test_misses() -> None:
    session = ObservedSession("KEm")
    session.run("set there 1")
    assert session.events("mget a there b a") == ["keymiss a", "keymiss b", "keymiss a"]
    assert session.events("set a 1") == []
    assert session.events("object encoding nothing") == []
    assert session.events("get") == []
