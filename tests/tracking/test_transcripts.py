"""What connections that cache get, byte for byte, against a real server."""

from __future__ import annotations

import pytest

from tests.support.servers import ServerProcess
from tests.support.transcripts import play

SCRIPTS = {
    "what is refused": """
        a: CLIENT TRACKING; CLIENT TRACKING ON REDIRECT 999999; CLIENT TRACKING ON REDIRECT abc
        a: CLIENT TRACKING ON REDIRECT {a} REDIRECT {a}; CLIENT TRACKING ON foo; CLIENT TRACKING bla
        a: CLIENT TRACKING bla BCAST; CLIENT TRACKING ON PREFIX; CLIENT TRACKING ON PREFIX p
        a: CLIENT TRACKING ON OPTIN OPTOUT; CLIENT TRACKING ON BCAST OPTIN; CLIENT TRACKINGINFO
        a: CLIENT TRACKING ON BCAST OPTOUT OPTIN; CLIENT TRACKING ON BCAST PREFIX a PREFIX ab
        a: CLIENT TRACKING ON BCAST PREFIX x PREFIX ab PREFIX a; CLIENT TRACKINGINFO
        a: CLIENT CACHING YES; CLIENT CACHING maybe; CLIENT CACHING; CLIENT GETREDIR 1
        a: CLIENT TRACKING OFF PREFIX p; CLIENT TRACKING OFF REDIRECT 999999
        a: CLIENT TRACKING ON; CLIENT CACHING yes; CLIENT CACHING NO; CLIENT CACHING maybe
        a: CLIENT TRACKING ON BCAST; CLIENT TRACKING ON OPTIN; CLIENT CACHING NO
        a: CLIENT TRACKING ON OPTOUT; CLIENT TRACKING ON; CLIENT TRACKING ON OPTOUT
        a: CLIENT CACHING YES; CLIENT TRACKING OFF; CLIENT TRACKING ON BCAST PREFIX foo PREFIX bar
        a: CLIENT TRACKING ON BCAST PREFIX fo; CLIENT TRACKING ON BCAST PREFIX barb
        a: CLIENT TRACKING ON BCAST PREFIX "zz"; CLIENT TRACKINGINFO; CLIENT TRACKING ON
        a: CLIENT TRACKING ON BCAST; CLIENT TRACKING ON BCAST PREFIX c; CLIENT TRACKINGINFO
    """,
    "modes": """
        a: CLIENT GETREDIR; CLIENT TRACKINGINFO; CLIENT TRACKING ON; CLIENT GETREDIR
        a: CLIENT TRACKING ON OPTIN NOLOOP; CLIENT TRACKINGINFO; CLIENT CACHING YES
        a: CLIENT CACHING YES; CLIENT TRACKINGINFO; CLIENT GETNAME; CLIENT TRACKINGINFO
        a: CLIENT CACHING YES; GET; CLIENT TRACKINGINFO
        a: CLIENT CACHING YES; NOSUCH; CLIENT TRACKINGINFO
        a: CLIENT CACHING YES; MULTI; EXEC; CLIENT TRACKINGINFO
        a: CLIENT TRACKING OFF; CLIENT TRACKING ON OPTOUT; CLIENT CACHING NO; CLIENT TRACKINGINFO
        a: ECHO x; CLIENT TRACKINGINFO; CLIENT TRACKING ON REDIRECT {b3}
        a: CLIENT TRACKINGINFO; RESET; CLIENT TRACKINGINFO; CLIENT GETREDIR
        b3: CLIENT TRACKINGINFO; CLIENT TRACKING ON BCAST PREFIX b PREFIX a NOLOOP
        b3: CLIENT TRACKINGINFO; CLIENT TRACKING OFF; CLIENT TRACKINGINFO
    """,
    "by keys": """
        r3: CLIENT TRACKING ON
        r3: GET k
        w: SET k 1
        w: SET k 2
        r3: GET k; GET k
        r3: SET k 3
        r3: MGET a b c; STRLEN k; EXISTS d e
        w: MSET a 1 b 2 c 3 d 4
        w: INCR k; RENAME a e
        r3: HGET h f; OBJECT ENCODING k; TYPE k
        w: HSET h f v; EXPIRE k 100
        r3: GET k; LRANGE l 0 -1; SORT_RO l BY w_* GET o_*
        w: PERSIST k; SET w_1 1; SET o_1 1; RPUSH l 1
        r3: DBSIZE; XREAD COUNT 1 STREAMS s 0
        w: XADD s 1-1 f v; SELECT 1; SET k other
        r3: GET k
        w: SET k other; SELECT 0
        r3: GET k
        r3: CLIENT TRACKING OFF
        w: SET k 9
    """,
    "nothing changed": """
        r3: CLIENT TRACKING ON; SET k 1; GET k; SMEMBERS s
        w: SETNX k 2; DEL nosuch; SREM s x; GET k; PERSIST k; EXPIRE nosuch 10; GETEX k
        w: SADD s x
        r3: SMEMBERS s
        w: SADD s x; SMOVE s s2 nosuch
    """,
    "transactions": """
        r3: CLIENT TRACKING ON
        r3: MULTI; GET a; GET b; EXEC
        w: SET a 1
        w: SET b 1
        r3: MULTI; GET a; SET a 2; EXEC
        w: MULTI; SET a 3; SET a 4; EXEC
        r3: GET a
        w: MULTI; SET a 5; SET a 6; SET b 7; EXEC
        r3: MULTI; SET a 7; GET a; EXEC
        w: SET a 8
        r3: WATCH a; GET a
        w: SET a 9
        r3: MULTI; GET a; EXEC
        w: SET a 10
    """,
    "scripts": """
        r3: CLIENT TRACKING ON
        r3: EVAL "return redis.call('get', 'k')" 1 declared
        w: SET declared 1
        w: SET k 1
        r3: EVAL_RO "return redis.call('get', KEYS[1])" 1 k
        w: EVAL "redis.call('set', 'k', 1); return redis.call('set', 'k', 2)" 0
        r3: EVAL "redis.call('set', 'k', 3); return 1" 1 k
        w: SET k 4
        r3: GET k; EVAL "return redis.call('set', 'k', 5)" 0
        r3: MULTI; EVAL "return redis.call('get', 'k')" 0; EXEC
        w: SET k 6
    """,
    "opting in": """
        r3: CLIENT TRACKING ON OPTIN
        r3: GET a
        w: SET a 1
        r3!: CLIENT CACHING YES
        r3: GET a; GET b
        w: MSET a 2 b 2
        r3!: CLIENT CACHING YES
        r3: ECHO x; GET a
        w: SET a 3
        r3!: CLIENT CACHING YES
        r3: CLIENT GETNAME; GET a
        w: SET a 4
        r3!: CLIENT CACHING YES
        r3: MULTI; GET a; GET b; EXEC; GET c
        w: MSET a 5 b 5 c 5
        r3: MULTI; CLIENT CACHING YES; GET a; EXEC
        w: SET a 6
    """,
    "opting out": """
        r3: CLIENT TRACKING ON OPTOUT
        r3: GET a
        w: SET a 1
        r3!: CLIENT CACHING NO
        r3: GET a; GET b
        w: MSET a 2 b 2
        r3!: CLIENT CACHING NO
        r3: MULTI; GET a; GET b; EXEC; GET c
        w: MSET a 3 b 3 c 3
    """,
    "own changes": """
        r3: CLIENT TRACKING ON NOLOOP
        r3: GET k
        r3: SET k 1
        w: SET k 2
        r3: GET k
        w: SET k 3
        r3: GET k; EVAL "return redis.call('set', 'k', 4)" 0
        r3: GET k; MULTI; SET k 5; EXEC
        r3: CLIENT TRACKING OFF; CLIENT TRACKING ON BCAST NOLOOP
        r3: MSET a 1 b 2
        w: MSET b 1 a 2
        q3: CLIENT TRACKING ON BCAST
        q3: SET c 1
        r3: SET c 2
    """,
    "by prefixes": """
        r3: CLIENT TRACKING ON BCAST
        w: MSET b 1 a 1 c 1
        r3: MSET b 1 a 1 c 1
        w: MULTI; SET a 1; SET a 2; SET b 3; DEL c; EXEC
        r3: CLIENT TRACKING OFF
        r3: CLIENT TRACKING ON BCAST PREFIX a: PREFIX b:
        w: MSET b:2 1 a:2 1 c:2 1 a:1 1 a 1
        r3: CLIENT TRACKING ON BCAST PREFIX c
        w: MSET b:2 1 a:2 1 c:2 1 a:1 1 a 1 c 2
        r3: GET x
        w: SET x 1
        q3: CLIENT TRACKING ON BCAST PREFIX a
        w: MSET a 1 a:1 2 c 3
        q3: CLIENT TRACKING OFF; GET a
        w: SET a 1
    """,
    "from keys to prefixes": """
        r3: CLIENT TRACKING ON; GET k
        r3: CLIENT TRACKING OFF; CLIENT TRACKING ON BCAST
        w: SET k 1
        r3: CLIENT TRACKING OFF; CLIENT TRACKING ON BCAST PREFIX z
        w: SET k 2
    """,
    "everything": """
        r3: CLIENT TRACKING ON
        w: FLUSHDB
        w: FLUSHALL
        r3: GET k
        w: FLUSHALL ASYNC
        w: SET k 1
        r3: GET k; FLUSHDB
        r3: MULTI; SET a 1; FLUSHALL; EXEC
        q3: CLIENT TRACKING ON BCAST PREFIX p NOLOOP
        q3: FLUSHALL
    """,
    "redirected": """
        t: SUBSCRIBE __redis__:invalidate
        r: CLIENT TRACKING ON REDIRECT {t}
        r: GET k; GET l
        w: SET k 1
        r: SET l 1
        r: CLIENT TRACKING OFF
        r: CLIENT TRACKING ON REDIRECT {t} BCAST PREFIX a
        w: MSET a1 1 a2 2 b1 3
        w: FLUSHALL
        r3: CLIENT TRACKING ON REDIRECT {t}; GET k
        w: SET k 2
        r: CLIENT TRACKING OFF
        r3: HELLO 3
        t: UNSUBSCRIBE
        r3: GET k
        w: SET k 3
        t: SUBSCRIBE anything
        r3: GET k
        w: SET k 4
        t: UNSUBSCRIBE; HELLO 3
        r3: GET k
        w: SET k 5
        w: FLUSHALL
    """,
    "redirected to nobody": """
        t: PING
        r3: CLIENT TRACKING ON REDIRECT {t}; GET k
        q: CLIENT TRACKING ON REDIRECT {t}; GET k
        t: close
        r3: CLIENT TRACKINGINFO
        w: SET k 1
        r3: CLIENT TRACKINGINFO; GET k
        q: CLIENT TRACKINGINFO
        w: SET k 2
        w: FLUSHALL
        r3: CLIENT TRACKING ON; CLIENT TRACKINGINFO; GET k
        w: SET k 3
    """,
    "without a way to be told": """
        r: CLIENT TRACKING ON; GET k
        w: SET k 1
        r: CLIENT TRACKINGINFO; GET k; HELLO 3
        w: SET k 2
        r: GET k; HELLO 2
        w: SET k 3
        r: HELLO 3
    """,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_as_on_a_real_server(name: str, server: ServerProcess, reference: ServerProcess) -> None:
    expected = play(reference.port, "x: FLUSHALL\n" + SCRIPTS[name])
    assert play(server.port, "x: FLUSHALL\n" + SCRIPTS[name]) == expected
