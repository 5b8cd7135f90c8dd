"""The stream commands, as far as a real server is no measure: time, storage, and what is planned.

Replies and errors are compared with real servers in tests/differential.
"""

from __future__ import annotations

import pytest

from kiwi_engine.commands.streams import entries as stream_commands
from kiwi_engine.commands.streams.reading import SEEN_EVERY_MS
from tests.commands.helpers import NOW, WRONG_TYPE, Session


@pytest.fixture
def session() -> Session:
    return Session()


def entry(entry_id: str, *words: str) -> bytes:
    """The reply for one entry."""
    fields = b"".join(b"$%d\r\n%b\r\n" % (len(word), word.encode()) for word in words)
    shown = b"*%d\r\n%b" % (len(words), fields)
    return b"*2\r\n$%d\r\n%b\r\n%b" % (len(entry_id), entry_id.encode(), shown)


def test_a_new_id_is_the_time_of_the_command(session: Session) -> None:
    assert session.run("xadd s * f v") == b"$15\r\n%d-0\r\n" % NOW
    assert session.run("xadd s * f v") == b"$15\r\n%d-1\r\n" % NOW
    session.now += 1
    assert session.run("xadd s * f v") == b"$15\r\n%d-0\r\n" % (NOW + 1)
    session.now -= 100
    assert session.run("xadd s * f v") == b"$15\r\n%d-1\r\n" % (NOW + 1)


def test_adding_reads_the_root_alone(session: Session) -> None:
    session.run("xadd s * f v")
    reads = session.store.reads
    session.run("xadd s * f v")
    assert session.store.reads == reads + 1


def test_an_entry_that_is_too_large_changes_nothing(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_commands, "ENTRY_BYTES_MAX", 10)
    assert session.run("xadd s 1-1 fffff vvvvv") == b"$3\r\n1-1\r\n"
    before = session.store.snapshot()
    refusal = b"-ERR Elements are too large to be stored\r\n"
    assert session.run("xadd s 1-2 fffff vvvvvv") == refusal
    assert session.run("xadd t 1-2 fffff vvvvvv") == refusal
    assert session.store.snapshot() == before


def test_an_empty_stream_stays_until_it_is_deleted(session: Session) -> None:
    session.run("xadd s 1-1 f v")
    session.run("xgroup create s g 0")
    session.run("xreadgroup group g c streams s >")
    session.run("xdel s 1-1")
    assert session.run("xlen s") == b":0\r\n"
    assert session.run("exists s") == b":1\r\n"
    session.run("del s")
    while session.keyspace.reclaimer.work(1):
        pass
    tables = {key[:1] for key in session.store.snapshot()}
    assert tables <= {b"m"}


def test_a_stream_expires_like_any_key(session: Session) -> None:
    session.run("xadd s 1-1 f v")
    session.run("pexpire s 10")
    session.run("xadd s 2-1 f v")
    assert session.run("pttl s") == b":10\r\n"
    session.now += 11
    assert session.run("xlen s") == b":0\r\n"
    assert session.run("xadd s 1-1 f v") == b"$3\r\n1-1\r\n"
    assert session.run("pttl s") == b":-1\r\n"


@pytest.mark.parametrize(
    "line",
    [
        "xadd s 1-1 f v",
        "xadd s maxlen 1 limit 3 9-9 f v",
        "xadd k 9-9 f v",
        "xdel s 1-1 x",
        "xtrim s maxlen 1 limit 3",
        "xsetid s 9-9 entriesadded 1",
        "xgroup create s g 0",
        "xgroup create new g x mkstream",
        "xgroup setid s g x",
        "xack s g 1-1 x",
        "xclaim s g other 0 1-1 force idle x",
        "xautoclaim s g other 0 0 count 0",
        "xreadgroup group g other streams s nokey > >",
        "xreadgroup group g other streams s s > x",
        "xreadgroup group g other streams s k > >",
        "xreadgroup group nog other streams s >",
    ],
)
def test_a_command_that_fails_changes_nothing(session: Session, line: str) -> None:
    session.run("xadd s 1-1 f v")
    session.run("xadd s 2-1 f v")
    session.run("xgroup create s g 0")
    session.run("xreadgroup group g c count 1 streams s >")
    session.run("set k v")
    before = session.store.snapshot()
    assert session.run(line).startswith(b"-")
    assert session.store.snapshot() == before


@pytest.mark.parametrize("block", ["", "block 0", "block 100000"])
def test_nobody_waits_who_may_not(session: Session, block: str) -> None:
    session.run("xgroup create s g 0 mkstream")
    assert session.run(f"xread {block} streams s 0") == b"*-1\r\n"
    assert session.run(f"xreadgroup group g c {block} streams s >") == b"*-1\r\n"


def test_the_last_entry_that_is_still_there_is_read_with_plus(session: Session) -> None:
    """Redis 7.4 had its own idea of deleted entries, which it then gave up."""
    for number in (1, 2, 3):
        session.run(f"xadd s {number}-1 f v")
    assert session.run("xread streams s +").endswith(b"*1\r\n" + entry("3-1", "f", "v"))
    session.run("xdel s 3-1")
    assert session.run("xread count 5 streams s +").endswith(b"*1\r\n" + entry("2-1", "f", "v"))
    session.run("xtrim s maxlen 0")
    assert session.run("xread streams s +") == b"*-1\r\n"


# ---- times of groups


def idle_of(session: Session, group: str = "g") -> bytes:
    """Name to `inactive` of the first consumer, without the names."""
    lines = session.run(f"xinfo consumers s {group}").split(b"\r\n")
    return b" ".join(lines[at + 1] for at, line in enumerate(lines) if line in _SHOWN)


_SHOWN = (b"pending", b"idle", b"inactive")


def test_seen_and_active_are_two_things(session: Session) -> None:
    session.run("xadd s 1-1 f v")
    session.run("xgroup create s g 0")
    session.run("xgroup createconsumer s g c")
    session.now += 5
    assert idle_of(session) == b":0 :5 :-1"
    session.run("xreadgroup group g c streams s >")
    session.now += 2000
    assert idle_of(session) == b":1 :2000 :2000"
    session.run("xreadgroup group g c streams s >")
    session.now += 30
    assert idle_of(session) == b":1 :30 :2030"


def test_asking_in_vain_is_written_now_and_then_only(session: Session) -> None:
    session.run("xgroup create s g 0 mkstream")
    session.run("xreadgroup group g c streams s >")
    before = session.store.snapshot()
    session.now += SEEN_EVERY_MS - 1
    session.run("xreadgroup group g c streams s >")
    assert session.store.snapshot() == before
    session.now += 1
    session.run("xreadgroup group g c streams s >")
    assert idle_of(session) == b":0 :0 :-1"


def pending_of(session: Session, options: str = "") -> bytes:
    """IDs, owners, idle times and deliveries, without lengths."""
    lines = session.run(f"xpending s g {options} - + 10").split(b"\r\n")
    return b" ".join(line for line in lines if line[:1] not in (b"*", b"$"))


def test_idle_times_decide_who_may_claim(session: Session) -> None:
    session.run("xadd s 1-1 f v")
    session.run("xadd s 2-1 f v")
    session.run("xgroup create s g 0")
    session.run("xreadgroup group g c count 1 streams s >")
    session.now += 100
    session.run("xreadgroup group g c streams s >")
    session.now += 50
    assert pending_of(session) == b"1-1 c :150 :1 2-1 c :50 :1 "
    assert pending_of(session, "idle 51") == b"1-1 c :150 :1 "
    assert session.run("xautoclaim s g d 51 0 justid") == (
        b"*3\r\n$3\r\n0-0\r\n*1\r\n$3\r\n1-1\r\n*0\r\n"
    )
    assert session.run("xclaim s g d 51 2-1") == b"*0\r\n"
    assert session.run("xclaim s g d 50 2-1 idle 7") == b"*1\r\n" + entry("2-1", "f", "v")
    assert pending_of(session) == b"1-1 d :0 :1 2-1 d :7 :2 "
    session.run(f"xclaim s g d 0 1-1 time {session.now - 3}")
    session.run(f"xclaim s g d 0 2-1 time {session.now + 3}")
    assert pending_of(session) == b"1-1 d :3 :2 2-1 d :0 :3 "
    session.run("xreadgroup group g d count 1 streams s 0")
    assert pending_of(session) == b"1-1 d :0 :3 2-1 d :0 :3 "


def test_a_clock_that_goes_back_makes_nothing_negative(session: Session) -> None:
    session.run("xadd s 1-1 f v")
    session.run("xgroup create s g 0")
    session.run("xreadgroup group g c streams s >")
    session.now -= 1000
    assert pending_of(session) == b"1-1 c :0 :1 "
    assert session.run("xclaim s g d 1 1-1") == b"*0\r\n"
    assert session.run("xclaim s g d 0 1-1 justid") == b"*1\r\n$3\r\n1-1\r\n"
    assert pending_of(session) == b"1-1 d :0 :1 "


def test_autoclaim_looks_at_ten_times_as_many_as_it_returns(session: Session) -> None:
    session.run("xgroup create s g 0 mkstream")
    for number in range(1, 13):
        session.run(f"xadd s {number}-1 f v")
    session.run("xreadgroup group g c streams s >")
    session.now += 100
    for number in range(1, 12):
        session.run(f"xclaim s g c 0 {number}-1")
    assert session.run("xautoclaim s g d 100 0 count 1") == b"*3\r\n$4\r\n11-1\r\n*0\r\n*0\r\n"
    assert session.run("xautoclaim s g d 100 11-1 count 1 justid") == (
        b"*3\r\n$3\r\n0-0\r\n*1\r\n$4\r\n12-1\r\n*0\r\n"
    )


def test_a_wrong_type_is_found_before_anything_else_is_read(session: Session) -> None:
    session.run("set k v")
    session.run("xgroup create s g 0 mkstream")
    assert session.run("xread streams s k 0 0") == WRONG_TYPE
    assert session.run("xreadgroup group g c streams s k > >") == WRONG_TYPE


@pytest.mark.parametrize("container", ["xgroup", "xinfo"])
def test_help_tells_of_every_subcommand(session: Session, container: str) -> None:
    told = session.run(f"{container} help").decode().lower()
    rows = {"xgroup": "create createconsumer delconsumer destroy setid", "xinfo": "stream groups"}
    assert all(f"+{name} <key>" in told for name in rows[container].split())
