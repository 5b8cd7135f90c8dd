"""One value of each type and encoding, made at `key` and shown as a whole.

The encodings are those for thresholds of five elements.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.keyspace.limits import Limits
from tests.commands.helpers import Session

# Name of a case -> the commands that make `key`, and one that shows all of it.
CASES: Final = {
    "string": (["SET key hello"], "GET key"),
    "integer": (["SET key 12"], "GET key"),
    "paged string": (["SETBIT key 90000 1"], "GET key"),
    "list": (["RPUSH key a b c 1 2"], "LRANGE key 0 -1"),
    "quicklist": (["RPUSH key a b c d e f"], "LRANGE key 0 -1"),
    "intset": (["SADD key 3 1 2"], "SMEMBERS key"),
    "listpack set": (["SADD key 3 b 1"], "SMEMBERS key"),
    "hashtable": (["SADD key a b c d e f"], "SMEMBERS key"),
    "sorted set": (["ZADD key 1.5 a 2 b -inf c"], "ZRANGE key 0 -1 WITHSCORES"),
    "skiplist": (["ZADD key 1 a 2 b 3 c 4 d 5 e 6 f"], "ZRANGE key 0 -1 WITHSCORES"),
    "hash": (["HSET key a 1 b 2"], "HGETALL key"),
    "table": (["HSET key a 1 b 2 c 3 d 4 e 5 f 6"], "HGETALL key"),
    "fields with deadlines": (
        ["HSET key a 1 b 2", "HPEXPIREAT key 1800000000000 FIELDS 1 a"],
        "HPEXPIRETIME key FIELDS 2 a b",
    ),
    "table with deadlines": (
        ["HSET key a 1 b 2 c 3 d 4 e 5 f 6", "HPEXPIREAT key 1800000000000 FIELDS 2 a f"],
        "HPEXPIRETIME key FIELDS 3 a b f",
    ),
    "table without deadlines any more": (
        [
            "HSET key a 1 b 2 c 3 d 4 e 5 f 6",
            "HPEXPIREAT key 1800000000000 FIELDS 1 a",
            "HPERSIST key FIELDS 1 a",
        ],
        "HGETALL key",
    ),
    "stream": (
        ["XADD key 5-1 a 1", "XADD key 5-2 b 2 c 3", "XADD key 9-0 a 4", "XDEL key 5-2"],
        "XINFO STREAM key FULL",
    ),
    "empty stream": (["XADD key 5-1 a 1", "XDEL key 5-1"], "XINFO STREAM key FULL"),
    "groups": (
        [
            "XADD key 5-1 a 1",
            "XADD key 5-2 b 2",
            "XGROUP CREATE key g1 0",
            "XGROUP CREATE key g2 $ ENTRIESREAD 1",
            "XGROUP CREATECONSUMER key g2 idle",
            "XREADGROUP GROUP g1 alice COUNT 1 STREAMS key >",
            "XREADGROUP GROUP g1 bob STREAMS key >",
        ],
        "XINFO STREAM key FULL",
    ),
}


def small_session(*, is_spread: bool) -> Session:
    """An engine that calls six elements large, and has one form of collections only."""
    made = Session()
    limits = made.keyspace.limits
    few = [name for name in Limits.__struct_fields__ if name.endswith("_entries")]
    for name in [*few, "list_max_listpack_size"]:
        setattr(limits, name, 5)
    limits.packed_max_entries = 1 if is_spread else 100
    limits.paged_min_bytes = 100 if is_spread else 1_000_000
    return made


def make(session: Session, name: str) -> None:
    """Run the commands of a case."""
    for command in CASES[name][0]:
        assert not session.run(command).startswith(b"-"), command
