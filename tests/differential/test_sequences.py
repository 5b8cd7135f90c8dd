"""Random sequences of each family against a real redis-server.

Hypothesis draws them from a fixed seed, so that a failure is repeated by running the test again;
the message shows the smallest sequence that fails. `KIWI_DIFFERENTIAL_EXAMPLES` sets how many are
drawn, and then other ones each time.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.differential.harness import Pair, elements

EXAMPLES_VARIABLE: Final = "KIWI_DIFFERENTIAL_EXAMPLES"
_more = os.environ.get(EXAMPLES_VARIABLE)

repeatable = settings(
    max_examples=int(_more or 250),
    derandomize=_more is None,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)

Words = list[bytes]
Commands = list[Words]

KEYS: Final = [b"a", b"b", b"c", b"", b"\x00\xff", b"key:1", b"key:2", b"k*y"]
INTEGERS: Final = [
    b"0", b"1", b"-1", b"2", b"3", b"7", b"-7", b"10", b"100", b"9999", b"10000", b"-0", b"01",
    b"+1", b" 1", b"1 ", b"", b"abc", b"1.5", b"1e3", b"0x10", b"9223372036854775807",
    b"-9223372036854775808", b"9223372036854775808", b"-9223372036854775809",
]  # fmt: skip
FLOATS: Final = [
    b"0.1", b"0.2", b"1.5", b"-1.5", b"3.0e3", b"1e17", b"1e-17", b"1e300", b"-1e300", b"1e4931",
    b"inf", b"nan", b".5", b"5.", b"1e", b"0x1p4", b"123456789.123456789", b"18446744073709551617",
]  # fmt: skip
TEXTS: Final = [b"", b"x", b"hello", b"hello world", b"\x00\r\n\xff", b"x" * 44, b"x" * 45]
# Far from now on both sides, so that no reply depends on when a sequence runs.
SECONDS: Final = [b"100", b"1000", b"100000"]
UNIX_SECONDS: Final = [b"33177117420", b"33177117421", b"1"]

key = st.sampled_from(KEYS)
number = st.sampled_from(INTEGERS) | st.integers(-(2**63), 2**63 - 1).map(lambda n: b"%d" % n)
small = st.integers(-20, 20).map(lambda n: b"%d" % n) | st.sampled_from(INTEGERS)
real = (
    st.sampled_from(FLOATS)
    | number
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda x: repr(x).encode())
    | st.decimals(-1000, 1000, places=3).map(lambda x: str(x).encode())
)
value = st.sampled_from(TEXTS) | number | real | st.binary(max_size=20)
seconds = st.sampled_from([*SECONDS, b"0", b"-1", b"x", b"9223372036854775807"])
unix_seconds = st.sampled_from([*UNIX_SECONDS, b"0", b"-1", b"x"])


def cased(word: bytes) -> st.SearchStrategy[bytes]:
    return st.sampled_from([word, word.upper(), word.title()])


def command(name: bytes, *parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[Words]:
    return st.tuples(cased(name), *parts).map(list)


def with_options(
    name: bytes, parts: list[st.SearchStrategy[bytes]], options: st.SearchStrategy[Words], most: int
) -> st.SearchStrategy[Words]:
    chosen = st.lists(options, max_size=most).map(lambda many: [w for one in many for w in one])
    return st.tuples(command(name, *parts), chosen).map(lambda pair: pair[0] + pair[1])


def option(*words: bytes) -> st.SearchStrategy[Words]:
    return st.tuples(*map(cased, words)).map(list)


def many(name: bytes, *parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[Words]:
    groups = st.lists(st.tuples(*parts), min_size=1, max_size=3)
    flat = groups.map(lambda found: [word for group in found for word in group])
    return st.tuples(cased(name), flat).map(lambda pair: [pair[0], *pair[1]])


times = (
    st.tuples(cased(b"ex"), seconds).map(list)
    | st.tuples(cased(b"px"), seconds.map(lambda text: text + b"000")).map(list)
    | st.tuples(cased(b"exat"), unix_seconds).map(list)
    | st.tuples(cased(b"pxat"), unix_seconds.map(lambda text: text + b"123")).map(list)
)
set_options = (
    option(b"nx") | option(b"xx") | option(b"get") | option(b"keepttl") | times | option(b"junk")
)
plain_set = command(b"set", key, value)
observe = st.one_of(
    command(b"get", key),
    command(b"exists", key),
    command(b"ttl", key),
    command(b"pexpiretime", key),
    command(b"expiretime", key),
    command(b"type", key),
    st.just([b"dbsize"]),
)
strings = st.one_of(
    plain_set,
    plain_set,
    observe,
    with_options(b"set", [key, value], set_options, 3),
    command(b"get", key),
    command(b"setnx", key, value),
    command(b"setex", key, seconds, value),
    command(b"psetex", key, seconds.map(lambda text: text + b"000"), value),
    command(b"getset", key, value),
    command(b"getdel", key),
    with_options(b"getex", [key], times | option(b"persist"), 2),
    many(b"mget", key),
    many(b"mset", key, value),
    many(b"msetnx", key, value),
    command(b"append", key, value),
    command(b"strlen", key),
    command(b"setrange", key, small, value),
    command(b"getrange", key, small, small),
    command(b"substr", key, small, small),
)
counters = st.one_of(
    command(b"set", key, number),
    command(b"set", key, real),
    observe,
    command(b"incr", key),
    command(b"decr", key),
    command(b"incrby", key, number),
    command(b"decrby", key, number),
    command(b"incrbyfloat", key, real),
    command(b"incrbyfloat", key, real),
    command(b"append", key, st.sampled_from([b"0", b"5", b".5", b"e2"])),
)
condition = st.sampled_from([b"nx", b"xx", b"gt", b"lt", b"NX", b"junk"]).map(lambda word: [word])
database = st.sampled_from([b"0", b"1", b"2", b"15", b"16", b"-1", b"x"])
keys = st.one_of(
    plain_set,
    plain_set,
    observe,
    st.tuples(st.just(b"select"), st.sampled_from([b"0", b"1", b"2"])).map(list),
    many(b"del", key),
    many(b"unlink", key),
    many(b"exists", key),
    many(b"touch", key),
    command(b"rename", key, key),
    command(b"renamenx", key, key),
    command(b"move", key, database),
    with_options(
        b"copy",
        [key, key],
        option(b"replace") | st.tuples(cased(b"db"), database).map(list),
        2,
    ),
    with_options(b"expire", [key, seconds], condition, 2),
    with_options(b"pexpire", [key, seconds.map(lambda text: text + b"000")], condition, 2),
    with_options(b"expireat", [key, unix_seconds], condition, 2),
    with_options(b"pexpireat", [key, unix_seconds.map(lambda text: text + b"123")], condition, 2),
    command(b"persist", key),
    command(b"pttl", key),
    command(b"keys", st.sampled_from([b"*", b"?", b"key:*", b"[a-c]", b"k\\*y", b"", b"**"])),
    st.just([b"flushdb"]),
    st.just([b"flushall"]),
    command(b"swapdb", database, database),
)


def sequences(family: st.SearchStrategy[Words]) -> st.SearchStrategy[Commands]:
    return st.lists(family, min_size=1, max_size=25)


@repeatable
@given(commands=sequences(strings), resp3=st.booleans())
def test_strings(redis_pair: Pair, commands: Commands, resp3: bool) -> None:
    redis_pair.check(commands, resp3)


@repeatable
@given(commands=sequences(counters), resp3=st.booleans())
def test_counters(redis_pair: Pair, commands: Commands, resp3: bool) -> None:
    redis_pair.check(commands, resp3)


@repeatable
@given(commands=sequences(keys), resp3=st.booleans())
def test_keys(redis_pair: Pair, commands: Commands, resp3: bool) -> None:
    redis_pair.check(commands, resp3)


@repeatable
@given(
    a=st.text("abc", max_size=40) | st.binary(max_size=40).map(lambda data: data.decode("latin-1")),
    b=st.text("abcd", max_size=40),
    options=st.sampled_from(["", "LEN", "IDX", "IDX WITHMATCHLEN", "IDX MINMATCHLEN 2"]),
    resp3=st.booleans(),
)
def test_lcs(redis_pair: Pair, a: str, b: str, options: str, resp3: bool) -> None:
    mset = [b"mset", b"a", a.encode("latin-1"), b"b", b.encode("latin-1")]
    redis_pair.check([mset, [b"lcs", b"a", b"b", *options.encode().split()]], resp3)


@repeatable
@given(
    names=st.lists(st.binary(max_size=3) | st.text("ab*?[]^-\\", max_size=4).map(str.encode)),
    pattern=st.text("ab*?[]^-\\", max_size=8).map(str.encode) | st.binary(max_size=4),
)
def test_glob_patterns(redis_pair: Pair, names: list[bytes], pattern: bytes) -> None:
    redis_pair.check([*([b"set", name, b""] for name in names), [b"keys", pattern]])


@repeatable
@given(
    names=st.sets(st.binary(max_size=3), max_size=60),
    options=st.lists(
        st.sampled_from([[b"match", b"*a*"], [b"count", b"3"], [b"count", b"100"]])
        | st.sampled_from([[b"type", b"string"], [b"type", b"hash"], [b"match", b"?"]]),
        max_size=2,
    ).map(lambda found: [word for one in found for word in one]),
)
def test_a_whole_scan_returns_the_same_keys(
    redis_pair: Pair, names: set[bytes], options: Words
) -> None:
    sets = [[b"set", name, b""] for name in names]
    expected = whole_scan(redis_pair.reference.run, sets, options)
    actual = whole_scan(redis_pair.ours.run, sets, options)
    assert sorted(actual) == sorted(expected)


def whole_scan(run: object, sets: Commands, options: Words) -> list[bytes]:
    """All keys of a scan; each page repeats the sequence, for a run starts from nothing."""
    assert callable(run)
    cursor, found = b"0", []
    while True:
        page = run([*sets, [b"scan", cursor, *options]], False)[-1]
        shown, names = elements(page)
        found += elements(names)
        cursor = shown.split(b"\r\n")[1]
        if cursor == b"0":
            return found
