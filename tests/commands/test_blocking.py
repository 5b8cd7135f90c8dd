"""Commands that wait: when they do, for what, and what they are run again with."""

from __future__ import annotations

import shlex

import pytest

from kiwi_engine.channel.frames import RunFlags
from kiwi_engine.commands.blocking import WouldBlock
from kiwi_engine.commands.registry import COMMANDS
from kiwi_engine.keyspace.encoding import LIST_KIND, SORTED_SET_KIND, STREAM_KIND
from tests.commands.helpers import WRONG_TYPE, Session

NULL_ARRAY = {False: b"*-1\r\n", True: b"_\r\n"}
# Each waits for the keys a and b, or for a alone.
WAITING = {
    "blpop a b 1.5": LIST_KIND,
    "brpop a b 1.5": LIST_KIND,
    "blmpop 1.5 2 a b right count 3": LIST_KIND,
    "blmove a z left right 1.5": LIST_KIND,
    "brpoplpush a z 1.5": LIST_KIND,
    "bzpopmin a b 1.5": SORTED_SET_KIND,
    "bzpopmax a b 1.5": SORTED_SET_KIND,
    "bzmpop 1.5 2 a b max": SORTED_SET_KIND,
    "xread block 1500 streams a b 0 0": STREAM_KIND,
    "xreadgroup group g c block 1500 streams a b > >": STREAM_KIND,
}


@pytest.fixture
def session() -> Session:
    return Session()


def waits(session: Session, line: str) -> WouldBlock:
    """What a command says that has to wait."""
    words = [word.encode() for word in shlex.split(line)]
    with pytest.raises(WouldBlock) as caught:
        session.executor.execute(
            session.database, session.resp3, [words], session.now, flags=RunFlags.BLOCKING
        )
    return caught.value


def with_groups(session: Session) -> None:
    for key in "ab":
        session.run(f"xgroup create {key} g $ mkstream")


@pytest.mark.parametrize("resp3", [False, True])
@pytest.mark.parametrize("line", WAITING)
def test_it_waits_for_its_keys(session: Session, line: str, resp3: bool) -> None:
    if line.startswith("xreadgroup"):
        with_groups(session)
    session.resp3 = resp3
    before = session.store.snapshot()
    wait = waits(session, line)
    assert wait.keys == ((b"a",) if " z " in line else (b"a", b"b"))
    assert (wait.kind, wait.timeout_ms) == (WAITING[line], 1500)
    assert wait.on_timeout == NULL_ARRAY[resp3]
    assert wait.unblocks_without_key == line.startswith("xreadgroup")
    if not line.startswith("xreadgroup"):
        assert session.store.snapshot() == before


@pytest.mark.parametrize("line", WAITING)
def test_where_it_may_not_wait_its_time_has_passed(session: Session, line: str) -> None:
    if line.startswith("xreadgroup"):
        with_groups(session)
    nothing = b"$-1\r\n" if " z " in line else b"*-1\r\n"
    assert session.run(line) == nothing
    session.resp3 = True
    assert session.run(line) == b"_\r\n"


@pytest.mark.parametrize(
    ("line", "given", "reply"),
    [
        ("blpop a b 0", "rpush b x y", b"*2\r\n$1\r\nb\r\n$1\r\nx\r\n"),
        ("brpop a b 0", "rpush b x y", b"*2\r\n$1\r\nb\r\n$1\r\ny\r\n"),
        ("blmove b c left left 0", "rpush b x y", b"$1\r\nx\r\n"),
        ("brpoplpush b c 0", "rpush b x y", b"$1\r\ny\r\n"),
        (
            "blmpop 0 2 a b left count 5",
            "rpush b x y",
            b"*2\r\n$1\r\nb\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n",
        ),
        ("bzpopmin a b 0", "zadd b 1 x 2 y", b"*3\r\n$1\r\nb\r\n$1\r\nx\r\n$1\r\n1\r\n"),
        ("bzpopmax a b 0", "zadd b 1 x 2 y", b"*3\r\n$1\r\nb\r\n$1\r\ny\r\n$1\r\n2\r\n"),
        (
            "bzmpop 0 2 a b min",
            "zadd b 1 x",
            b"*2\r\n$1\r\nb\r\n*1\r\n*2\r\n$1\r\nx\r\n$1\r\n1\r\n",
        ),
    ],
)
def test_what_is_there_is_taken_at_once(
    session: Session, line: str, given: str, reply: bytes
) -> None:
    session.run(given)
    assert session.run(line) == reply


@pytest.mark.parametrize("resp3", [False, True])
def test_the_first_key_that_has_something_is_taken(session: Session, resp3: bool) -> None:
    session.resp3 = resp3
    session.run("rpush c 1")
    session.run("rpush b 2")
    assert session.run("blpop a b c 0") == b"*2\r\n$1\r\nb\r\n$1\r\n2\r\n"
    session.run("zadd z 1.5 m")
    score = b",1.5\r\n" if resp3 else b"$3\r\n1.5\r\n"
    assert session.run("bzpopmax y z 0") == b"*3\r\n$1\r\nz\r\n$1\r\nm\r\n" + score


@pytest.mark.parametrize("line", ["blpop k 0", "blmove k z left left 0", "bzpopmin k 0"])
def test_another_kind_of_value_is_an_error_at_once(session: Session, line: str) -> None:
    session.run("set k v")
    assert session.run(line) == WRONG_TYPE
    session.run("del k")
    session.run("rpush k x" if line.startswith("bl") else "zadd k 1 x")
    session.run("set z v")
    assert (session.run(line) == WRONG_TYPE) == line.startswith("blmove")


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("x", "timeout is not a float or out of range"),
        ("nan", "timeout is not a float or out of range"),
        ("1e5000", "timeout is not a float or out of range"),
        ("-1", "timeout is negative"),
        ("-0.9", "timeout is negative"),
        ("-inf", "timeout is negative"),
        ("inf", "timeout is out of range"),
        ("1e300", "timeout is out of range"),
        ("9223372036854775", "timeout is out of range"),
    ],
)
def test_the_errors_of_timeouts(session: Session, text: str, reply: str) -> None:
    assert session.run(f"blpop k {text}") == f"-ERR {reply}\r\n".encode()
    assert session.run(f"bzmpop {text} 1 k min") == f"-ERR {reply}\r\n".encode()


def test_a_timeout_is_rounded_up_to_milliseconds(session: Session) -> None:
    assert waits(session, "blpop k 0.0001").timeout_ms == 1
    for text, timeout_ms in (("0.1", 100), ("1.1", 1100), ("12.345", 12345), ("86400", 86400000)):
        assert waits(session, f"blpop k {text}").timeout_ms == timeout_ms, text
    assert waits(session, "blpop k -0.0001").timeout_ms == 0
    assert waits(session, "blpop k 0x1p-1").timeout_ms == 500
    assert waits(session, "blpop k 1.0005").timeout_ms == 1001
    assert waits(session, "blpop k 9e15").timeout_ms == 9 * 10**18


def test_mistakes_are_found_before_the_timeout(session: Session) -> None:
    assert session.run("blmpop x 0 k left") == b"-ERR numkeys should be greater than 0\r\n"
    assert session.run("blmpop x 1 k lef") == b"-ERR syntax error\r\n"
    assert session.run("bzmpop x 1 k mi") == b"-ERR syntax error\r\n"
    assert session.run("blmove a b left xx x") == b"-ERR syntax error\r\n"
    assert session.run("blmpop -1 1 k left count 0").endswith(b"count should be greater than 0\r\n")


def test_who_waits_for_new_entries_asks_again_from_where_the_stream_ended(session: Session) -> None:
    session.run("xadd s 7-2 f v")
    wait = waits(session, "xread count 1 block 0 streams s t $ 5")
    assert wait.words == b"xread count 1 block 0 streams s t 7-2 5-0".split()
    session.run("xadd s 7-3 f v")
    reply = session.words(*wait.words)
    assert b"7-3" in reply
    assert b"7-2" not in reply


def test_history_never_waits(session: Session) -> None:
    with_groups(session)
    empty = b"*1\r\n*2\r\n$1\r\na\r\n*0\r\n"
    words = b"xreadgroup group g c block 0 streams a 0".split()
    flags = RunFlags.BLOCKING
    assert session.executor.execute(0, False, [words], session.now, flags=flags) == [empty]


def test_consumers_of_one_group_are_alike(session: Session) -> None:
    with_groups(session)
    session.run("xgroup create a h $")
    one = waits(session, "xreadgroup group g c1 block 0 streams a b > >")
    two = waits(session, "xreadgroup group g c2 count 3 block 5 streams a b > >")
    other = waits(session, "xreadgroup group h c1 block 0 streams a >")
    assert one.alike == two.alike
    assert one.alike != other.alike
    assert b"c1" in session.run("xinfo consumers a g"), "one that waits is known"


def test_what_waits_is_marked_so() -> None:
    marked = {name for name, row in COMMANDS.items() if "blocking" in row.flags}
    assert {line.split()[0] for line in WAITING} <= marked
