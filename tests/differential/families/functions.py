"""Libraries of functions and calls of them (pure).

FUNCTION LIST is asked for one library at a time: those of Redis come in no order. Nothing that ends
in FUNCTION FLUSH is drawn: it would make a new interpreter for each sequence.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.rdb import functions as payload
from tests.differential.families.family import family

_BODIES: Final = (
    "return redis.call('incr', keys[1])",
    "return redis.call('set', keys[1], args[1])",
    "return redis.pcall('incr', keys[1])",
    "return {keys, args, #keys, #args}",
    "return redis.call('get', keys[1])",
    "return redis.call('hset', keys[1], 'field', args[1])",
    "error('trouble')",
    "error({err = 'CODE trouble'})",
    "return redis.error_reply('CODE trouble')",
    "return cjson.decode(args[1])",
    "return cmsgpack.unpack(cmsgpack.pack(args))",
    "return missing",
    "missing = 1",
    "return redis.call('nosuchcommand')",
    "return redis.call('function', 'list')",
    "redis.setresp(3) return redis.call('hgetall', keys[1])",
    "redis.call('set', keys[1], 'x') return redis.call('incr', keys[1])",
)


def _library(name: str, *definitions: str) -> bytes:
    return "\n".join((f"#!lua name={name}", *definitions)).encode()


def _plain(name: str, body: str) -> str:
    return f"redis.register_function('{name}', function(keys, args) {body} end)"


def _flagged(name: str, body: str, flags: str) -> str:
    named = f"function_name = '{name}', description = 'about {name}', flags = {{{flags}}}"
    return f"redis.register_function{{{named}, callback = function(keys, args) {body} end}}"


CODES: Final = (
    *(_library("one", _plain("f", body)) for body in _BODIES),
    *(_library("two", _plain("g", body)) for body in _BODIES[:8]),
    *(_library("three", _flagged("h", body, "'no-writes'")) for body in _BODIES),
    _library("one", _flagged("f", _BODIES[1], "'allow-oom', 'allow-stale'")),
    _library("three", _flagged("F", _BODIES[3], "'no-cluster', 'No-Writes'")),
    _library("two", _plain("g", _BODIES[3]), "local t = nil", "t.x = 1"),
    _library("two", "no lua"),
    _library("two", "return 1"),
    _library("two", "redis.call('set', 'a', 1)"),
    _library("two", _plain("not a name", "return 1")),
    _library("two", _plain("g", "return 1"), _plain("g", "return 2")),
    _library("not-a-name", _plain("g", "return 1")),
    b"return 1",
    b"#!lua",
    b"#!js name=one\n",
    b"#!lua name=one name=two\n",
    b"#!lua foo=one\n",
)
PAYLOADS: Final = (
    payload.seal([CODES[0]]),
    payload.seal([CODES[3], CODES[4]]),
    payload.seal([_library("four", _plain("f", _BODIES[0]))]),
    payload.seal([b"return 1"]),
    payload.seal([]),
    b"junk",
)

# Not appended: of two that are there already, it is chance which one Redis complains of.
_PAIR: Final = (payload.seal([CODES[3], _library("five", _plain("i", _BODIES[0]))]),)

FAMILY: Final = family(
    "functions",
    """
    8 function load [replace] CODE
    function load junk CODE
    function (delete | dump | stats | kill | nosuch) [junk] junk junk
    10 fcall FUNCTION 1 KEY ARGUMENT
    2 fcall FUNCTION COUNT {KEY}
    3 fcall_ro FUNCTION 1 KEY ARGUMENT
    fcall FUNCTION 0 {ARGUMENT}
    2 function delete LIBRARY
    2 function list libraryname LIBRARY [withcode]
    function list junk [libraryname LIBRARY]
    function stats
    3 function restore PAYLOAD [(append | replace | flush | junk)]
    function restore PAIR (replace | flush)
    function kill
    set KEY SHORT_TEXT
    hset KEY field SHORT_TEXT
    get KEY
    type KEY
    """,
    {
        "CODE": CODES,
        "FUNCTION": (*[b"f"] * 4, *[b"g"] * 3, *[b"h"] * 3, b"F", b"H", b"nosuch"),
        "LIBRARY": (b"one", b"two", b"three", b"four", b"ONE", b"t[h]re?"),
        "ARGUMENT": (b"", b"x", b"7", b"[1]", b'{"a":1.5}', b"\x00\xff"),
        "PAYLOAD": PAYLOADS,
        "PAIR": _PAIR,
    },
    opening="""
        function load CODE
    """,
    closing="""
        get KEY
        hgetall KEY
        function delete one
        function delete two
        function delete three
        function delete four
        function delete five
    """,
    references="redis",
    # A word left out would append the pair.
    has_mistakes=False,
    # Each sequence has an interpreter of its own.
    cost=40,
)
