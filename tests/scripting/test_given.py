"""What scripts are given for replies, and that there is room for it."""

from __future__ import annotations

from hypothesis import given as drawn
from hypothesis import strategies as st

from kiwi_engine.resp import reply
from kiwi_engine.scripting.given import ARRAY, ENCODED, ERROR, Given, given, room_for
from kiwi_engine.scripting.sandbox import parse_words
from tests.scripting.helpers import World

_TEXTS = st.binary(max_size=30) | st.sampled_from([b"\r\n+OK", b"\r\n*1", b"-ERR x", b"$5\r\nab"])
_ELEMENTS = st.none() | st.integers(-(2**53), 2**53) | _TEXTS

WORLD = World()


def _encoded(value: bytes | int | None) -> bytes:
    if value is None:
        return reply.NULL_BULK_RESP2
    return reply.integer(value) if isinstance(value, int) else reply.bulk(value)


@drawn(st.lists(_ELEMENTS, max_size=20))
def test_arrays(values: list[bytes | int | None]) -> None:
    encoded = reply.array([_encoded(value) for value in values])
    wanted = tuple(False if value is None else value for value in values)
    assert given(encoded, resp3=False) in ((None, ARRAY, *wanted), (encoded, ENCODED))
    assert given(encoded, resp3=True) == (encoded, ENCODED)
    assert room_for(encoded) >= sum(len(value) for value in values if isinstance(value, bytes))


@drawn(st.lists(_TEXTS, min_size=1, max_size=60))
def test_both_ways_into_lua_are_the_same(words: list[bytes]) -> None:
    """Words go over one by one, or packed; arrays are made of values, or decoded there."""
    WORLD.raw("DEL", "list")
    WORLD.raw("RPUSH", "list", *words)
    script = "local got = redis.call('LRANGE', 'list', 0, -1) redis.call('DEL', 'copy') "
    script += "redis.call('RPUSH', 'copy', unpack(got)) return redis.call('LRANGE', 'copy', 0, -1)"
    assert WORLD.evaluate(script) == words


@drawn(st.lists(_TEXTS, max_size=50))
def test_packed_words(words: list[bytes]) -> None:
    assert parse_words(reply.bulk_array(words)) == words


def test_simple_replies() -> None:
    wanted: dict[bytes, Given] = {
        b"+OK\r\n": None,
        b"+OTHER\r\n": (b"+OTHER\r\n", ENCODED),
        b"-ERR x\r\n": (b"ERR x", ERROR),
        b":-7\r\n": -7,
        b"$-1\r\n": False,
        b"*-1\r\n": False,
        b"$0\r\n\r\n": b"",
        b"$4\r\na\r\nb\r\n": b"a\r\nb",
        b"*1\r\n*0\r\n": (b"*1\r\n*0\r\n", ENCODED),
        b"*1\r\n+x\r\n": (b"*1\r\n+x\r\n", ENCODED),
        b"_\r\n": (b"_\r\n", ENCODED),
    }
    assert {encoded: given(encoded, resp3=False) for encoded in wanted} == wanted
