"""Collections that lost some of their entries are collections again, of what is left."""

from __future__ import annotations

from random import Random

import pytest

from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.spread.mending import Mended, Mender
from kiwi_engine.keyspace.spread.versions import TABLES, registry_key
from tests.commands.helpers import Session
from tests.support.replies import Aggregate, parse

COUNT = 40
_ELEMENT_TABLES = frozenset(table for tables in TABLES.values() for table in tables)


def session_with_everything() -> Session:
    session = Session()
    session.keyspace.limits.packed_max_entries = 2
    for n in range(COUNT):
        session.run(f"sadd set m{n}")
        session.run(f"hset hash f{n} v{n}")
        session.run(f"zadd zset {n - 5} m{n}")
        session.run(f"rpush list e{n}")
        session.run(f"xadd stream {n + 1}-0 field {n}")
    session.run("hpexpire hash 100000 fields 3 f1 f2 f3")
    session.run("xgroup create stream group 0")
    session.run("xreadgroup group group one count 15 streams stream >")
    session.run("xreadgroup group group two count 15 streams stream >")
    return session


def mend(session: Session) -> dict[bytes, Mended]:
    pauses = []
    mended = list(Mender(session.store, lambda: pauses.append(1)).run())
    assert pauses
    session.keyspace.reload()
    return {one.home.key: one for one in mended}


def reply(session: Session, line: str) -> list[bytes]:
    parsed = parse(session.run(line))
    assert isinstance(parsed, Aggregate), line
    return [one for one in parsed.elements if isinstance(one, bytes)]


def number(session: Session, line: str) -> int:
    return int(session.run(line)[1:])


def check_consistent(session: Session) -> None:
    """Every count equals what is there, and both orders of the sorted set agree."""
    assert number(session, "scard set") == len(reply(session, "smembers set"))
    assert number(session, "hlen hash") == len(reply(session, "hkeys hash"))
    assert number(session, "llen list") == len(reply(session, "lrange list 0 -1"))
    stream = parse(session.run("xrange stream - +"))
    assert isinstance(stream, Aggregate)
    assert number(session, "xlen stream") == len(stream.elements)
    ranked = reply(session, "zrange zset 0 -1")
    assert number(session, "zcard zset") == len(ranked) == number(session, "zcount zset -inf inf")
    for rank, member in enumerate(ranked):
        name = member.split(b"\r\n")[1].decode()
        assert number(session, f"zrank zset {name}") == rank
    if session.run("xinfo groups stream") == b"*0\r\n":
        return
    pending = parse(session.run("xpending stream group - + 1000"))
    summary = parse(session.run("xpending stream group"))
    assert isinstance(pending, Aggregate) and isinstance(summary, Aggregate)
    assert summary.elements[0] == b":%d\r\n" % len(pending.elements)
    for consumer in ("one", "two"):
        owned = parse(session.run(f"xpending stream group - + 1000 {consumer}"))
        replayed = parse(session.run(f"xreadgroup group group {consumer} streams stream 0"))
        assert isinstance(owned, Aggregate) and isinstance(replayed, Aggregate)


def test_what_is_whole_stays_as_it_is() -> None:
    session = session_with_everything()
    before = session.store.snapshot()
    assert mend(session) == {}
    after = session.store.snapshot()
    # The nodes of the ranks are laid out anew, and a list forgets its size as a listpack.
    changed = {key[:1] for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert changed <= {b"n", b"d"}
    check_consistent(session)


@pytest.mark.parametrize("seed", range(30))
def test_any_elements_may_be_missing(seed: int) -> None:
    random = Random(seed)
    session = session_with_everything()
    keys = [key for key in session.store.snapshot() if key[:1] in _ELEMENT_TABLES]
    for key in random.sample(keys, random.choice([1, 5, 50])):
        session.store.delete(key)
    mended = mend(session)
    for name in (b"set", b"hash", b"zset", b"list", b"stream"):
        told = mended[name].found if name in mended else COUNT
        count = {b"set": "scard", b"hash": "hlen", b"zset": "zcard", b"list": "llen"}
        assert number(session, f"{count.get(name, 'xlen')} {name.decode()}") == told
    check_consistent(session)
    assert mend(session) == {}


def test_a_collection_without_elements_is_gone() -> None:
    session = session_with_everything()
    for key in session.store.snapshot():
        if key[:1] in (b"s", b"l"):
            session.store.delete(key)
    mended = mend(session)
    assert mended[b"set"].found == mended[b"list"].found == 0
    assert session.run("exists set list hash") == b":1\r\n"


def test_new_versions_are_above_all_that_are_registered() -> None:
    session = session_with_everything()
    session.store.delete(encoding.META_NEXT_VERSION)
    mend(session)
    session.run("sadd another a b c")
    assert session.store.get(registry_key(6)) is not None
    assert number(session, "scard set") == COUNT


def test_the_deadline_of_a_lost_field_is_forgotten() -> None:
    """Its entry would be counted off the fields that are left, once its time comes."""
    session = session_with_everything()
    lost = next(key for key in session.store.snapshot() if key[:1] == b"h" and key.endswith(b"f2"))
    session.store.delete(lost)
    assert mend(session)[b"hash"].found == COUNT - 1
    session.now += 100_001
    assert number(session, "hlen hash") == COUNT - 3
    assert session.keyspace.expire_fields(session.now, 100) == 2
    check_consistent(session)
