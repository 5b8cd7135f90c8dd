"""Hand-written sequences: each error text and each corner of a command, against real servers.

One line is one sequence; its commands are separated by semicolons and split as a shell would.
"""

from __future__ import annotations

import shlex

import pytest

from tests.differential.harness import Pair

MAXIMUM = 9223372036854775807
MINIMUM = -9223372036854775808

ARITY = [
    f"{name}; {name} a; {name} a b; {name} a b c; {name} a b c d"
    for name in ["get", "set", "setnx", "setex", "psetex", "getset", "getex", "getdel", "mget", "mset", "msetnx", "append", "strlen", "setrange", "getrange", "substr", "incr", "decr", "incrby", "decrby", "incrbyfloat", "lcs", "del", "unlink", "exists", "touch", "type", "rename", "renamenx", "copy", "move", "expire", "pexpire", "expireat", "pexpireat", "ttl", "pttl", "expiretime", "pexpiretime", "persist", "object", "dbsize", "swapdb", "keys", "nosuchcommand"]
]

STRINGS = [
    "set a 1; get a; GET a; gEt a; get nokey; strlen a; strlen nokey; type a; type nokey",
    "set '' ''; get ''; exists ''; strlen ''; type ''; del ''; exists ''",
    "set a 1 nx; set a 2 nx; get a; set b 1 xx; get b; set a 3 xx; get a",
    "set a 1 nx xx; set a 1 xx nx; set a 1 nx nx; set b 1 NX Nx",
    "set a 1 get; set a 2 get; set a 3 nx get; get a; set b 1 nx get; get b; set c 1 xx get; get c",
    "set a 1 ex 100; ttl a; set a 2; ttl a; set a 3 px 100000; ttl a; set a 4 keepttl; ttl a; get a",
    "set a 1 exat 33177117420; expiretime a; pexpiretime a; set a 2 keepttl; expiretime a",
    "set a 1 pxat 33177117420999; expiretime a; pexpiretime a; set a 1 get keepttl; pexpiretime a",
    "set a 1 ex 0; set a 1 ex -1; set a 1 px 0; set a 1 exat 0; set a 1 pxat -5; get a",
    f"set a 1 ex {MAXIMUM}; set a 1 px {MAXIMUM}; set a 1 exat {MAXIMUM}; get a",
    f"set a 1 pxat {MAXIMUM}; get a; pexpiretime a; pttl a; ttl a; expiretime a",
    "set a 1 ex; set a 1 ex x; set a 1 ex 1.5; set a 1 px ''; set a 1 ex ' 1'; set a 1 ex +1",
    "set a 1 ex 10 px 10; set a 1 ex 10 keepttl; set a 1 keepttl ex 10; set a 1 ex 10 exat 10",
    "set a 1 ex 10 ex 20; ttl a; set a 1 px 1000 px 100000; ttl a; set a 1 ex 0 ex 10; ttl a",
    "set a 1 foo; set a 1 persist; set a 1 nx foo; set a 1 get get; set a 1 keepttl keepttl",
    "set a 1 exat 1; get a; exists a; set a 1 pxat 1; dbsize; ttl a; dbsize",
    "set a 1 xx ex bad; set a 1 nx ex 0; set a 1 get ex 0; exists a",
    "set a 1; set a 2 nx ex bad; set a 2 xx get ex 100; ttl a; get a",
    "setnx a 1; setnx a 2; get a; set a 1 ex 100; setnx a 3; ttl a",
    "setex a 100 v; ttl a; get a; setex a 0 v; setex a -1 v; setex a x v; psetex a 100000 v; ttl a",
    f"setex a {MAXIMUM} v; psetex a {MAXIMUM} v; psetex a 0 v; psetex a bad v; SETEX a 0 v",
    "getset a 1; getset a 2; set a 1 ex 100; getset a 2; ttl a; get a",
    "getdel a; set a 1 ex 100; getdel a; exists a; dbsize",
    "getex a; getex a ex 0; getex a ex; getex a foo; getex a persist ex 1; getex a keepttl",
    "set a 1; getex a; ttl a; getex a ex 100; ttl a; getex a persist; ttl a; getex a persist",
    "set a 1; getex a px 100000; ttl a; getex a exat 33177117420; expiretime a; getex a nx",
    "set a 1; getex a pxat 33177117420123; pexpiretime a; getex a exat 1; exists a; dbsize",
    "set a 1; getex a ex 0; getex a ex -1; getex a ex x; getex a exat 0; getex a pxat 0; ttl a",
    "set a 1; getex a ex 10 ex 20; ttl a; getex a ex 10 px 10; getex a persist persist; ttl a",
    "mset a 1 b 2; mget a b c a; mset a; mset a 1 b; mset a 1 a 2; get a; MSET a 1 b",
    "msetnx a 1 b 2; msetnx b 3 c 4; mget a b c; msetnx c 1 d; msetnx e 1 e 2; get e; MSETNX a 1 b",
    "append a x; append a yz; get a; append a ''; append b ''; exists b; get b; strlen a",
    "set a 1 ex 100; append a 2; ttl a; get a; setrange a 1 9; ttl a; incr a; ttl a; get a",
    "setrange a 0 ''; exists a; setrange a 5 ''; exists a; setrange a 3 xyz; get a; strlen a",
    "set a hello; setrange a 1 ''; setrange a 1 EL; get a; setrange a 10 z; get a; setrange a 0 J",
    "setrange a -1 x; setrange a x x; setrange a 536870912 x; setrange a 536870911 ''; exists a",
    f"setrange a {MAXIMUM} x; setrange a {MINIMUM} x; setrange a 9223372036854775808 x",
    "set a 'This is a string'; getrange a 0 3; getrange a -3 -1; getrange a 0 -1; getrange a 10 100",
    "set a abc; getrange a 5 3; getrange a -1 -3; getrange a -100 0; getrange a -100 -50",
    "set a abc; getrange a 3 3; getrange a 2 2; getrange a 2 -1; getrange a x 1; getrange a 1 x",
    f"set a abc; getrange a {MINIMUM} {MAXIMUM}; getrange a {MAXIMUM} {MINIMUM}; substr a 0 1",
    "getrange nokey 0 -1; getrange nokey x 1; set e ''; getrange e 0 -1; getrange e -1 -1",
]

COUNTERS = [
    "incr a; incr a; decr a; incrby a 10; decrby a 3; get a; incrby a -5; decrby a -5; get a",
    f"set a {MAXIMUM}; incr a; decr a; incrby a 2; get a; incrby a 1; get a",
    f"set a {MINIMUM}; decr a; incr a; decrby a 2; get a; decrby a {MINIMUM}; decrby a {MAXIMUM}",
    "set a ''; incr a; set a ' 1'; incr a; set a '1 '; incr a; set a 01; incr a; set a +1; incr a",
    "set a -0; incr a; set a 1.0; incr a; set a abc; incr a; set a 9223372036854775808; incr a",
    "set a 1_0; incr a; set a 0x10; incr a; set a 00; incr a; set a -; incr a; set a -1; incr a",
    "incrby a x; incrby a 1.5; incrby a ''; incrby a 9223372036854775808; decrby a x; exists a",
    "set a abc; incrby a x; incrbyfloat a x; incrbyfloat a 1",
    "incrbyfloat a 1.5; incrbyfloat a 1.5; get a; incrbyfloat a -3; incrbyfloat a 0.1; get a",
    "set a 5.0e3; incrbyfloat a 2.0e2; set a 3; incrbyfloat a 1.1; incrbyfloat a -1.1",
    "incrbyfloat a inf; incrbyfloat a -inf; incrbyfloat a nan; incrbyfloat a Infinity; exists a",
    "incrbyfloat a ''; incrbyfloat a ' 1'; incrbyfloat a '1 '; incrbyfloat a 1e; incrbyfloat a 1e+",
    "incrbyfloat a .5; incrbyfloat a 5.; incrbyfloat a .; incrbyfloat a +1; incrbyfloat a -.5e1",
    "incrbyfloat a 0x10; incrbyfloat a 0x1p-3; incrbyfloat a 0x; incrbyfloat a 0x.8; incrbyfloat a 1x",
    "incrbyfloat a 1e4931; incrbyfloat a 1e4932; incrbyfloat a 1e4933; incrbyfloat b 1e-4950; get b",
    "incrbyfloat a 1e-17; incrbyfloat a 1e-18; incrbyfloat b 5e-18; incrbyfloat c 6e-18; get a",
    "incrbyfloat a 1e20; incrbyfloat a 1; incrbyfloat a 0.1; incrbyfloat a -1e20; get a",
    "incrbyfloat a 18446744073709551615; incrbyfloat a 1; incrbyfloat a 1; incrbyfloat a 0.5; get a",
    "incrbyfloat a -0; incrbyfloat a 0; incrbyfloat a -0.0; set a -0; incrbyfloat a 0; get a",
    "incrbyfloat a 3.0; incr a; incrbyfloat a 0.5; incr a; set a 1 ex 100; incrbyfloat a 1; ttl a",
    "incrbyfloat a 1e-5000; incrbyfloat a 0e99999999999; incrbyfloat a 1e99999999999999; get a",
    "incrbyfloat a 0.1; incrbyfloat a 0.2; incrbyfloat a 0.3; incrbyfloat a 1e15; get a",
]

LCS = [
    "mset a ohmytext b mynewtext; lcs a b; lcs a b len; lcs a b idx; lcs a b idx minmatchlen 4",
    "mset a ohmytext b mynewtext; lcs a b idx withmatchlen; lcs a b idx minmatchlen 4 withmatchlen",
    "mset a ohmytext b mynewtext; lcs a b minmatchlen 4; lcs a b withmatchlen; lcs a b len minmatchlen 1",
    "lcs a b; lcs a b len; lcs a b idx; set a x; lcs a b; lcs b a idx; lcs a a idx withmatchlen",
    "lcs a b idx len; lcs a b foo; lcs a b minmatchlen; lcs a b minmatchlen x; lcs a b idx idx",
    "mset a aaaa b aa; lcs a b idx; lcs b a idx; mset a abcbdab b bdcaba; lcs a b; lcs a b idx; lcs b a",
    "mset a abab b baba; lcs a b idx minmatchlen -1 withmatchlen; lcs a b idx minmatchlen 0",
]

KEYS = [
    "mset a 1 b 2; exists a b c a; touch a b c a; del a b c a; exists a; unlink b b; dbsize",
    "del; unlink; exists; touch; del nokey; type nokey; type",
    "set a 1 ex 100; rename a b; ttl b; exists a; rename a b; rename b b; get b; dbsize",
    "mset a 1 b 2; expire b 100; rename a b; ttl b; get b; exists a",
    "mset a 1 b 2; renamenx a b; renamenx a c; renamenx a c; renamenx c c; mget a b c; renamenx x x",
    "copy a b; set a 1 ex 100; copy a b; ttl b; copy a b; copy a b replace; copy a a; copy a a replace",
    "set a 1; copy a a db 1; select 1; get a; copy a b db 0; select 0; get b; copy a b db 1; copy a c foo",
    "set a 1; copy a b db; copy a b db x; copy a b db 16; copy a b db -1; copy a b db 99999999999",
    "copy a a; copy a a db 0; copy a b replace replace db 1 db 2; copy nokey b db 16",
    "move a 1; set a 1 ex 100; move a 1; exists a; select 1; ttl a; move a 1; move a 0; select 0; get a",
    "set a 1; select 1; set a 2; select 0; move a 1; get a; move a 0; move a x; move a 16; move a -1",
    "move a 99999999999; move nokey 0; move nokey 1",
    "mset a 1 b 2 c 3; dbsize; flushdb; dbsize; set a 1; select 1; set b 1; flushall; dbsize",
    "flushdb sync; flushdb async; flushdb ASYNC; flushdb foo; flushall sync; flushall async foo; flushall x",
    "set a 0; select 1; set a 1; swapdb 0 1; get a; select 0; get a; swapdb 0 0; get a; swapdb 1 0; get a",
    "swapdb a 1; swapdb 0 b; swapdb 0 16; swapdb -1 0; swapdb 99999999999 0; swapdb 0 99999999999",
    "swapdb 16 b; swapdb 16 17",
    "randomkey; set a 1; randomkey; keys *; keys b; keys a; keys ?; keys ''; keys '['; keys '[^'",
    "set '' 1; keys *; keys **; keys ''; keys ?; randomkey",
    "mset hello 1 hallo 2 hxllo 3 hllo 4 heeeello 5; keys h?llo; keys h*llo; keys h[ae]llo; keys h[^e]llo",
    "mset a* 1 a? 2 ab 3 'a\\' 4; keys 'a\\*'; keys 'a\\?'; keys 'a\\'; keys 'a\\\\'; keys 'a[*]'; keys 'a[?'",
    "dbsize; set a 1; set a 2; dbsize; del a; dbsize; set a 1 exat 1; dbsize; get a; dbsize",
]

EXPIRE = [
    f"{name} a 100; set a 1; {name} a x; {name} a 1.5; {name} a ''; {name} a {MAXIMUM}; ttl a; "
    f"{name} a {MINIMUM}; exists a; set a 1; {name} a 9223372036854775; exists a; set a 1; "
    f"{name} a -1; exists a; set a 1; {name} a 0; exists a; dbsize; {name} a -9223372036854776"
    for name in ("expire", "pexpire", "expireat", "pexpireat")
] + [
    "set a 1; expire a 100 foo; expire a x foo; expire a 100 nx xx; expire a 100 nx gt; expire a 1 nx lt",
    "set a 1; expire a 100 gt lt; expire a 100 nx gt lt; expire a 1 gt lt foo; expire a x nx xx",
    "set a 1; expire a 100 xx; ttl a; expire a 100 nx; ttl a; expire a 200 nx; ttl a; expire a 300 xx; ttl a",
    "set a 1; expire a 100 gt; ttl a; expire a 100 lt; ttl a; expire a 200 lt; expire a 50 lt; ttl a",
    "set a 1; expireat a 33177117420; expireat a 33177117420 gt; expireat a 33177117420 lt; expiretime a",
    "set a 1; expireat a 33177117420; expireat a 33177117421 gt xx; expiretime a; expireat a 1 lt xx; exists a",
    "set a 1; expire a 10 NX nx; expire a 20 XX gt; ttl a; expire a 15 gt gt; ttl a; expire a 5 lt LT; ttl a",
    "set a 1; pexpire a 100000; ttl a; pexpireat a 33177117420999; pexpiretime a; expiretime a",
    "ttl a; pttl a; expiretime a; pexpiretime a; set a 1; ttl a; pttl a; expiretime a; pexpiretime a",
    "persist a; set a 1; persist a; expire a 100; persist a; ttl a; persist a; get a",
    "set a 1 ex 100; expire a -5 gt; ttl a; expire a -5 lt; exists a; set b 1; expire b -5 gt; exists b",
]

OBJECT = [
    "object; object foo; object foo bar; object encoding; object encoding a b; OBJECT HELP x",
    "object encoding a; object refcount a; object freq a; object idletime a; object freq; object idletime",
    "set a 1; object encoding a; object refcount a; object freq a; set a 10000; object refcount a",
    "set a abc; object encoding a; object refcount a; set a 12345678901234567890; object encoding a",
    f"set a {'x' * 44}; object encoding a; set a {'x' * 45}; object encoding a; object refcount a",
    f"set a {MINIMUM}; object encoding a; set a 007; object encoding a; set a ''; object encoding a",
    "set a 1; OBJECT Encoding a; object ENCODING a; set a -1; object refcount a; object encoding a",
]

SCAN = [
    "scan 0; scan x; scan ''; scan ' 1'; scan 0x; scan 1.5; scan 99999999999999999999999; scan +0",
    "scan 0 count 0; scan 0 count -1; scan 0 count x; scan 0 foo; scan 0 match; scan 0 count; scan 0 type",
    "scan 0 foo bar; scan 0 match a count 10 foo; scan 0 type foo; scan 0 count 5 count 0; scan 0 count 1.5",
    "set a 1; scan 0; scan 0 match b; scan 0 type string; scan 0 type STRING; scan 0 type hash; scan 0 match a*",
    "set a 1; scan 0 match x match a; scan 0 type hash type string; SCAN 0 COUNT 1000 MATCH *",
    f"scan {MAXIMUM}; scan 18446744073709551615; scan 18446744073709551616; scan -1; scan -; scan 00",
    "set a 1 exat 1; dbsize; scan 0 match b; dbsize; scan 0; dbsize",
]

DEBUG = ["debug sleep 0; debug sleep x; debug foo; debug sleep; debug sleep 0 0; DEBUG SLEEP 0.001"]

ALL = ARITY + STRINGS + COUNTERS + LCS + KEYS + EXPIRE + OBJECT + SCAN + DEBUG


def parse(line: str) -> list[list[bytes]]:
    """The commands of a line; surrogate escapes stand for raw bytes."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";")
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[list[bytes]] = [[]]
    for token in lexer:
        if token == ";":
            commands.append([])
        else:
            commands[-1].append(token.encode("utf-8", "surrogateescape"))
    return commands


# What Valkey does otherwise than Redis 7.2, by the beginning of the line.
VALKEY_DIFFERS = {
    "set a 1 exat 1; get a;": "a deadline in the past deletes at once",
    "dbsize; set a 1; set a 2;": "a deadline in the past deletes at once",
    "set a 1 exat 1; dbsize; scan": "a deadline in the past deletes at once",
    "getex a; getex a ex 0;": "the time is checked before the key is looked up",
    "set a 1; object encoding a; object refcount a;": "small integers are not shared",
    "set a xxxx": "longer strings are embedded",
    "scan 0; scan x; scan '';": "a cursor is read more strictly",
    f"scan {MAXIMUM};": "a cursor is read more strictly",
    "scan 0 foo bar;": "an unknown type is an error",
}


def valkey_lines() -> list[str]:
    found = [line for line in ALL if not line.startswith(tuple(VALKEY_DIFFERS))]
    assert len(found) == len(ALL) - len(VALKEY_DIFFERS), "an exception fits no line, or several"
    return found


@pytest.mark.parametrize("line", ALL)
def test_replies_are_those_of_redis(line: str, redis_pair: Pair) -> None:
    redis_pair.check_both(parse(line))


@pytest.mark.parametrize("line", valkey_lines())
def test_replies_are_those_of_valkey(line: str, valkey_pair: Pair) -> None:
    valkey_pair.check_both(parse(line))
