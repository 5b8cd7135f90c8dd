"""What the storage runtime remembers of TRACKED runs, and what it tells of changes."""

from __future__ import annotations

import pytest

from kiwi_engine.channel.events import Flushed, Invalidated
from kiwi_engine.channel.frames import RunFlags
from kiwi_engine.commands.tracking.tracker import read_keys
from tests.tracking.storage import Storage


@pytest.fixture
def storage() -> Storage:
    return Storage()


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("get k", "k"),
        ("GET k", "k"),
        ("mget a b a", "a b a"),
        ("set k v", ""),
        ("getex k", ""),
        ("object encoding k", "k"),
        ("OBJECT ENCODING k", "k"),
        ("object help", ""),
        ("zdiff 2 a b withscores", "a b"),
        ("xread count 1 streams s t 0 0", "s t"),
        ("xinfo stream s", "s"),
        ("sort_ro l by w_* get o_*", "l"),
        ("geosearch g frommember m byradius 1 m", "g"),
        ("eval_ro script 1 k", ""),
        ("evalsha_ro 0 1 k", ""),
        ("dbsize", ""),
        ("scan 0", ""),
        ("ping", ""),
        ("nosuch k", ""),
        ("client tracking", ""),
    ],
)
def test_the_keys_that_a_command_reads(command: str, keys: str) -> None:
    assert read_keys(command.encode().split()) == keys.encode().split()


def test_while_nobody_tracks_nobody_is_told(storage: Storage) -> None:
    storage.run(1, "get k;set k 1;del k;flushall")
    assert storage.take() == []
    assert storage.keyspace.observation.observer is None


def test_a_change_is_told_once(storage: Storage) -> None:
    storage.read(7, "get k")
    storage.read(5, "get k;get k")
    storage.run(9, "set k 1;set k 2")
    assert storage.take() == [Invalidated(b"k", [5, 7], 9)]
    storage.read(5, "get k")
    storage.run(5, "set k 1")
    assert storage.take() == [Invalidated(b"k", [5], 5)]


def test_only_tracked_runs_are_remembered(storage: Storage) -> None:
    storage.read(1, "get a")
    storage.run(1, "get b")
    storage.run(2, "mset a 1 b 1")
    assert storage.take() == [Invalidated(b"a", [1], 2)]


def test_in_one_run_a_key_is_read_and_changed(storage: Storage) -> None:
    """It is remembered command by command: also what was read in front of a change."""
    storage.read(1, "get k;set k 1")
    assert storage.take() == [Invalidated(b"k", [1], 1)]
    storage.read(1, "set k 2;get k")
    assert storage.take() == []
    storage.run(2, "set k 3")
    assert storage.take() == [Invalidated(b"k", [1], 2)]


def test_a_key_that_expires_when_it_is_read_is_remembered_as_absent(storage: Storage) -> None:
    storage.run(2, "set k 1 px 10")
    storage.read(1, "get k")
    storage.now += 11
    assert storage.read(1, "get k") == [b"$-1\r\n"]
    # Nobody has changed it: who does not want to hear of own changes wants to hear of this one.
    assert storage.take() == [Invalidated(b"k", [1], 0)]
    storage.run(2, "set k 2")
    assert storage.take() == [Invalidated(b"k", [1], 2)]


def test_a_key_is_a_name_whatever_the_database(storage: Storage) -> None:
    storage.read(1, "get k")
    storage.run(2, "set k 1", db=3)
    assert storage.take() == [Invalidated(b"k", [1], 2)]


def test_transactions(storage: Storage) -> None:
    storage.transact(1, "get a;set a 1;get b", RunFlags.TRACKED)
    assert storage.take() == [Invalidated(b"a", [1], 1)]
    storage.transact(2, "set b 1;set b 2")
    assert storage.take() == [Invalidated(b"b", [1], 2)]
    storage.transact(1, "get a")
    storage.run(2, "set a 1")
    assert storage.take() == []


def test_a_read_that_fails_counts(storage: Storage) -> None:
    storage.run(2, "rpush k 1")
    assert storage.read(1, "get k")[0].startswith(b"-WRONGTYPE")
    storage.run(2, "del k")
    assert storage.take() == [Invalidated(b"k", [1], 2)]


def test_a_flush_is_told_without_keys(storage: Storage) -> None:
    storage.read(1, "mget a b")
    storage.run(2, "flushdb")
    assert storage.take() == [Flushed(2)]
    storage.run(2, "mset a 1 b 1;swapdb 0 1")
    assert storage.take() == [Flushed(2)]


def test_who_tracks_by_prefixes_is_told_of_all(storage: Storage) -> None:
    storage.tracker.follow(anybody=True, all_keys=True)
    storage.run(2, "mset a 1 b 1")
    assert storage.take() == [Invalidated(b"a", [], 2), Invalidated(b"b", [], 2)]
    storage.tracker.follow(anybody=True, all_keys=False)
    storage.run(2, "set a 2")
    assert storage.take() == []
    assert storage.keyspace.observation.observer is not None
    storage.run(2, "flushall")
    assert storage.take() == [Flushed(2)]


def test_it_stops_listening_when_nobody_needs_it(storage: Storage) -> None:
    storage.tracker.follow(anybody=True, all_keys=False)
    storage.read(1, "get k")
    storage.tracker.follow(anybody=False, all_keys=False)
    storage.tracker.maintain()
    assert storage.keyspace.observation.observer is not None
    storage.tracker.keys.forget(1)
    storage.tracker.maintain()
    assert storage.keyspace.observation.observer is None


def test_what_has_no_room_is_told_as_changed(storage: Storage) -> None:
    storage.tracker.keys.keys_max = 2
    storage.read(1, "mget a b")
    storage.read(2, "get a;get c")
    assert storage.take() == [Invalidated(b"a", [1, 2], 0)]
    storage.tracker.keys.keys_max = 1
    storage.tracker.maintain()
    assert storage.take() == [Invalidated(b"b", [1], 0)]


def test_a_lower_bound_is_reached_step_by_step(storage: Storage) -> None:
    storage.read(1, "mget a b c d e f g")
    storage.tracker.keys.keys_max = 1
    storage.read(1, "get h")
    assert [event.key for event in storage.take() if isinstance(event, Invalidated)] == [b"a", b"b"]
    storage.tracker.maintain()
    assert len(storage.take()) == 5
    assert storage.tracker.keys.touched(b"h") == [1]


def idle_seconds(storage: Storage) -> int:
    return int(storage.run(9, "object idletime k")[0][1:])


@pytest.mark.parametrize("use", ["get k", "append k x", "set k v", "strlen k"])
def test_an_untouched_run_uses_no_key(storage: Storage, use: str) -> None:
    storage.run(1, "set k v")
    storage.now += 100_000
    storage.run(1, use, RunFlags.UNTOUCHED)
    assert idle_seconds(storage) == 100
    storage.transact(1, f"{use};ping", RunFlags.UNTOUCHED)
    assert idle_seconds(storage) == 100
    storage.run(1, "touch k", RunFlags.UNTOUCHED)
    assert idle_seconds(storage) == 0
    storage.now += 5000
    storage.run(1, use)
    assert idle_seconds(storage) == 0


@pytest.mark.parametrize("use", ["set k v", "hset k f v", "rpush k v", "set k v px 999999"])
def test_a_key_that_an_untouched_run_makes_was_used_then(storage: Storage, use: str) -> None:
    storage.run(1, "get other")
    storage.now += 100_000
    storage.run(1, use, RunFlags.UNTOUCHED)
    assert idle_seconds(storage) == 0
