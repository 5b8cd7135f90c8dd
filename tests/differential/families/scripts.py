"""Scripts that are drawn, too: values of every kind on their way to the client and back (pure)."""

from __future__ import annotations

from random import Random
from typing import Final

from tests.differential.families.family import family

# Redis 7.0 prints others with all their digits.
_DOUBLES: Final = ("0.5", "-1.25", "3", "100000", "1/0", "-1/0", "0.0625")
_NUMBERS: Final = ("0", "1", "-1", "3.99", "-3.99", "2^40", "-2^40", "1e15", "7/2")
_TEXTS: Final = (
    "''", "'x'", "'hello'", "'1'", r"'a\r\nb'", r"'\0\255'", "('x'):rep(300)", "KEYS[1]", "ARGV[1]",
    "'+x'", "'-ERR x'", "'$-1'", "'*0'", "tostring(1.5)", "1.5 .. ''",
)  # fmt: skip
_CALLS: Final = (
    "'GET', KEYS[1]", "'SET', KEYS[1], ARGV[1]", "'INCR', KEYS[1]", "'INCRBY', KEYS[1], 5",
    "'APPEND', KEYS[1], ARGV[2]", "'STRLEN', KEYS[1]", "'TYPE', KEYS[1]", "'EXISTS', KEYS[1], 'b'",
    "'RPUSH', KEYS[1], ARGV[1], 1.5, 'x'", "'LRANGE', KEYS[1], 0, -1", "'LPOP', KEYS[1], 2",
    "'LPOP', KEYS[1]", "'LLEN', KEYS[1]", "'HSET', KEYS[1], 'f', ARGV[1]", "'HGETALL', KEYS[1]",
    "'HMGET', KEYS[1], 'f', 'g'", "'HGET', KEYS[1], 'f'", "'SADD', KEYS[1], 'only'",
    "'SMEMBERS', KEYS[1]", "'SISMEMBER', KEYS[1], 'only'", "'ZADD', KEYS[1], 0.5, 'm', 2, 'n'",
    "'ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'", "'ZSCORE', KEYS[1], 'm'",
    "'ZINCRBY', KEYS[1], 1, 'm'", "'ZRANK', KEYS[1], 'n'", "'ZPOPMIN', KEYS[1]",
    "'MGET', 'a', 'b', 'none', 'c'",
    "'DEL', KEYS[1]", "'XADD', KEYS[1], '*', 'f'", "'XLEN', KEYS[1]", "'PING'", "'ECHO', ARGV[1]",
    "'XADD', KEYS[1], '9-9', 'f', 'v'", "'XRANGE', KEYS[1], '-', '+'", "'SELECT', 0", "'DBSIZE'",
    "'GEOADD', KEYS[1], 13.5, 38.25, 'here'", "'SETRANGE', KEYS[1], 2, 'zz'", "'PTTL', KEYS[1]",
    "'GETRANGE', KEYS[1], 0, 2", "'nothing'", "'GET'", "'SUBSCRIBE', 'x'", "'GET', {}", "",
    "unpack(ARGV)", "unpack({'RPUSH', KEYS[1], unpack(ARGV)})", "'SPOP', KEYS[1], 5",
)  # fmt: skip


def _choice(rng: Random, options: tuple[str, ...]) -> str:
    return rng.choice(options)


def _call(rng: Random) -> str:
    """An expression that calls a command, or tries to."""
    words = rng.choice(_CALLS)
    match rng.randrange(6):
        case 0 | 1:
            return f"redis.pcall({words})"
        case 2:
            return f"{{pcall(redis.call{', ' if words else ''}{words})}}"
        case _:
            return f"redis.call({words})"


def _table(rng: Random, depth: int) -> str:
    """Something between braces: an array, or one of the tables that mean something."""
    inner = [_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    match rng.randrange(12):
        case 0:
            return f"{{ok={rng.choice(_TEXTS)}}}"
        case 1:
            return f"{{err={_choice(rng, (*_TEXTS, '1', '{}'))}}}"
        case 2:
            return f"{{double={_choice(rng, (*_DOUBLES, 'true'))}}}"
        case 3:
            return "{big_number='12345678901234567890'}"
        case 4:
            kind = rng.choice(("'txt'", "'mkd'", "'long'", "1"))
            return f"{{verbatim_string={{format={kind}, string={rng.choice(_TEXTS)}}}}}"
        case 5:
            return f"{{map={{[{_key(rng)}]={_value(rng, depth + 1)}}}}}"
        case 6:
            return f"{{set={{[{_key(rng)}]=true}}}}"
        case 7:
            return f"{{{', '.join([*inner, 'name=1'])}}}"
        case _:
            return f"{{{', '.join(inner)}}}"


def _key(rng: Random) -> str:
    return rng.choice((*_TEXTS, "1", "true", "0.5"))


def _value(rng: Random, depth: int = 0) -> str:
    """An expression of any kind."""
    if depth < 4 and rng.random() < 0.4:
        return _table(rng, depth)
    match rng.randrange(8):
        case 0:
            return rng.choice(("nil", "true", "false"))
        case 1 | 2:
            return rng.choice(_NUMBERS)
        case 3 | 4:
            return rng.choice(_TEXTS)
        case 5:
            return f"#{_table(rng, 3)}" if rng.random() < 0.2 else "KEYS"
        case _:
            return _call(rng)


def script(rng: Random) -> bytes:
    """A script that does something and returns something."""
    lines = []
    if rng.random() < 0.1:
        lines.append(rng.choice(("#!lua", "#!lua flags=no-writes", "#!lua flags=nothing")))
    if rng.random() < 0.3:
        lines.append(f"redis.setresp({rng.choice((2, 3, 3, 3))})")
    if rng.random() < 0.3:
        lines.append(f"local got = {_call(rng)}")
        lines.append("local kind = type(got)")
        lines.append(
            "if kind == 'table' then kind = kind .. (got.ok and 'o' or got.err and 'e' or '') end"
        )
        lines.append(f"return {{kind, got, {_value(rng)}}}")
    else:
        lines.append(f"return {_value(rng)}")
    return "\n".join(lines).encode()


FAMILY: Final = family(
    "scripts",
    """
    40 eval SCRIPT 1 KEY {ARGUMENT}
    4 eval_ro SCRIPT 1 KEY {ARGUMENT}
    2 eval SCRIPT INTEGER KEY {ARGUMENT}
    2 script load SCRIPT
    2 script load ONE; evalsha SHA 1 KEY {ARGUMENT}
    script load ONE; evalsha_ro SHA 1 KEY {ARGUMENT}
    script load ONE; script exists {SHA}
    script (help | kill)
    script flush (later | sync async)
    2 set KEY SHORT_TEXT
    rpush KEY {SHORT_TEXT}
    hset KEY f SHORT_TEXT
    zadd KEY 0.5 m
    del KEY
    """,
    {
        "SCRIPT": script,
        "ARGUMENT": (b"", b"x", b"1", b"hello world", b"\x00\r\n\xff"),
        # Servers keep scripts from sequence to sequence; this one is known for sure.
        "ONE": (b"return 1",),
        "SHA": (
            b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db",
            b"E0E1F9FABFC9D4800C877A703B823AC0578FF8DB",
            b"0" * 40,
            b"short",
        ),
    },
    opening="""
        set KEY SHORT_TEXT
        rpush KEY {SHORT_TEXT}5
        hset KEY f SHORT_TEXT
        zadd KEY 0.5 m 2 n
        sadd KEY only
    """,
    closing="""
        type KEY
    """,
    references="redis",
    cost=8,
)
