"""What subscribers and publishers get, byte for byte, against real servers."""

from __future__ import annotations

import pytest

from tests.pubsub.random_scripts import random_script
from tests.support.servers import ServerProcess
from tests.support.transcripts import play

# The same on every version. Where several channels would be told, Redis has no order.
SCRIPTS = {
    "channels": """
        a: SUBSCRIBE x y x
        b3: SUBSCRIBE x
        c: PUBLISH x hello
        c: PUBLISH y "two words"; PUBLISH z nobody; PUBLISH "" empty
        c: PUBSUB CHANNELS x; PUBSUB CHANNELS [y]; PUBSUB NUMSUB x y z; PUBSUB NUMPAT
        a: UNSUBSCRIBE x
        c: PUBLISH x "" ; PUBLISH y more
        a: UNSUBSCRIBE x nosuch; UNSUBSCRIBE; UNSUBSCRIBE
        b3: UNSUBSCRIBE nosuch x; UNSUBSCRIBE
        c: PUBLISH x gone; PUBSUB CHANNELS; PUBSUB NUMSUB
    """,
    "patterns": """
        a: PSUBSCRIBE n* n*
        b3: PSUBSCRIBE n?ws; SUBSCRIBE news
        c: PUBLISH news 1; PUBLISH nows 2; PUBLISH n 3; PUBLISH NEWS 4
        c: PUBSUB NUMPAT; PUBSUB CHANNELS n[a-f]ws; PUBSUB CHANNELS n[^e]ws
        b3: PUNSUBSCRIBE n?ws
        a: PSUBSCRIBE [n]; PUNSUBSCRIBE n* nosuch; PUNSUBSCRIBE; PUNSUBSCRIBE
        c: PUBLISH news 5
        b3: PUNSUBSCRIBE
    """,
    "counts": """
        a: SUBSCRIBE x; PSUBSCRIBE x y; SSUBSCRIBE x; SUBSCRIBE y; SSUBSCRIBE y z
        b: PUBLISH x 1; SPUBLISH x 2; PUBSUB NUMSUB x; PUBSUB SHARDNUMSUB x y z w; PUBSUB NUMPAT
        a: UNSUBSCRIBE y; UNSUBSCRIBE; SUNSUBSCRIBE x z; PUNSUBSCRIBE y x; SUNSUBSCRIBE
        a: GET k
    """,
    "shard channels": """
        a: SSUBSCRIBE x
        b3: SSUBSCRIBE x y
        d: SUBSCRIBE x; PSUBSCRIBE *
        c: SPUBLISH x 1; SPUBLISH y 2; PUBLISH x 3; SPUBLISH z 4
        c: PUBSUB SHARDCHANNELS x; PUBSUB SHARDCHANNELS q*; PUBSUB CHANNELS; PUBSUB SHARDNUMSUB
        b3: SUNSUBSCRIBE x nosuch
        a: SUNSUBSCRIBE; SUNSUBSCRIBE
        c: SPUBLISH x 5; SPUBLISH y 6
    """,
    "what a subscriber may send": """
        a: SUBSCRIBE x
        a: GET k; SET k v; MULTI; EXEC; DISCARD; HELLO 3; CLIENT LIST; CLIENT ID; PUBLISH x y
        a: NOSUCH; GET; SUBSCRIBE; PSUBSCRIBE; PUBLISH x; CLIENT; CLIENT NOSUCH; AUTH p; SELECT 1
        a: PING; PING x; PING x y; ping ""
        a: SSUBSCRIBE s; UNSUBSCRIBE; GET k; SUNSUBSCRIBE; GET k; PING; PING z
        b3: SUBSCRIBE x; GET k; SET k v; CLIENT GETNAME; PING; PING x; MULTI; PING; EXEC; DEL k
        b3: UNSUBSCRIBE x; GET k
    """,
    "protocols": """
        a3: SUBSCRIBE x
        b: PUBLISH x 1
        a3: RESET
        a3: GET k; PUBSUB CHANNELS; SUBSCRIBE x
        b: PUBLISH x 2
        a3: RESET; PUBSUB NUMSUB x; UNSUBSCRIBE; PUNSUBSCRIBE
    """,
    "quit": """
        a: SUBSCRIBE x; QUIT; PING
        b: PUBSUB NUMSUB x
        c3: SUBSCRIBE x; PSUBSCRIBE y; SSUBSCRIBE z; QUIT
        b: PUBSUB NUMSUB x; PUBSUB NUMPAT; PUBSUB SHARDCHANNELS
    """,
    "replies switched off": """
        a: CLIENT REPLY OFF; SUBSCRIBE x; PING lost; UNSUBSCRIBE; GET lost; CLIENT REPLY ON
        a: CLIENT REPLY SKIP; SUBSCRIBE x
        b3: CLIENT REPLY OFF; SUBSCRIBE x; GET k; CLIENT REPLY ON
        c: PUBLISH x 1
        c: CLIENT REPLY SKIP; PUBLISH x 2; CLIENT REPLY OFF; PUBLISH x 3; CLIENT REPLY ON
    """,
    "transactions": """
        a: MULTI; SUBSCRIBE x y; GET k; PSUBSCRIBE p; EXEC
        a: GET k; UNSUBSCRIBE x; UNSUBSCRIBE; PUNSUBSCRIBE; GET k
        b: MULTI; UNSUBSCRIBE; PUNSUBSCRIBE q; SSUBSCRIBE s; SUNSUBSCRIBE; PUBSUB CHANNELS; EXEC
        c3: SUBSCRIBE x; MULTI; PUBSUB NUMSUB x; UNSUBSCRIBE x; PUBSUB NUMSUB x; EXEC
        d: SUBSCRIBE x
        b: MULTI; SET k 1; PUBLISH x 1; INCR k; PUBLISH x 2; LPUSH k 3; PUBLISH x 3; DEL k; EXEC
        b: MULTI; PUBLISH x; PUBLISH x 4; EXEC; MULTI; PUBLISH x 5; DISCARD
        b: WATCH k; SET k 1; MULTI; PUBLISH x 6; EXEC; DEL k
    """,
    "errors": """
        a: PUBSUB; PUBSUB NOSUCH; PUBSUB CHANNELS a b; PUBSUB SHARDCHANNELS a b c; PUBSUB NUMPAT x
        a: PUBSUB HELP x; PUBLISH; PUBLISH a; PUBLISH a b c; SPUBLISH a; SUBSCRIBE; SSUBSCRIBE
        a: pubsub numsub; PuBsUb ChAnNeLs; pubsub shardnumsub
    """,
    "order": """
        a: SUBSCRIBE x
        b3: PSUBSCRIBE *
        c: SET k 1; PUBLISH x 1; INCR k; PUBLISH x 2; PUBLISH y 3; GET k; PUBLISH x 4; DEL k
    """,
    "all at once": """
        a: SET k 1; SUBSCRIBE x; GET k; UNSUBSCRIBE x; GET k; SUBSCRIBE y; PING; RESET; GET k; DEL k
        b3: SET k 1; SUBSCRIBE x; GET k; PUBSUB NUMSUB x; UNSUBSCRIBE; PUBSUB NUMSUB x; DEL k
    """,
}
# Since 7.2 who publishes to itself gets the message behind the reply.
SCRIPTS_OF_7_2 = {
    "to itself": """
        a3: SUBSCRIBE x
        a3: PUBLISH x 1; PUBLISH x 2; SET k v; PUBLISH x 3; GET k; PSUBSCRIBE *; PUBLISH x 4; DEL k
        a3: SSUBSCRIBE s; SPUBLISH s 5; CLIENT REPLY SKIP; PUBLISH x 6; UNSUBSCRIBE; PUNSUBSCRIBE
        a3: PUBLISH x 7; CLIENT REPLY OFF; SUBSCRIBE x; PUBLISH x 8; CLIENT REPLY ON; GET k
    """,
    "to itself in a transaction": """
        a3: SUBSCRIBE x
        b: SUBSCRIBE x y
        a3: MULTI; PUBLISH x 1; SET k v; SUBSCRIBE y; PUBLISH y 2; UNSUBSCRIBE x; GET k; EXEC; DEL k
        c: MULTI; SUBSCRIBE x; PUBLISH x 3; GET k; EXEC; UNSUBSCRIBE
        a3: MULTI; UNSUBSCRIBE; PUBLISH y 4; PUBLISH x 5; EXEC
    """,
}


def check(ours: ServerProcess, reference: ServerProcess, script: str) -> None:
    assert play(ours.port, script) == play(reference.port, script)


@pytest.mark.parametrize("name", SCRIPTS)
def test_as_redis(server: ServerProcess, redis_process: ServerProcess, name: str) -> None:
    check(server, redis_process, SCRIPTS[name])


@pytest.mark.parametrize("name", [*SCRIPTS, *SCRIPTS_OF_7_2])
def test_as_valkey(server: ServerProcess, valkey_process: ServerProcess, name: str) -> None:
    check(server, valkey_process, {**SCRIPTS, **SCRIPTS_OF_7_2}[name])


@pytest.mark.parametrize("seed", range(6))
def test_random_scripts(server: ServerProcess, valkey_process: ServerProcess, seed: int) -> None:
    script = "a: DEL counter\n" + random_script(seed)
    check(server, valkey_process, script)
