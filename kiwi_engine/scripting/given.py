"""What a script is given for the reply of a command (pure).

Simple replies become values at once. Arrays of simple values become several values, which Lua makes
a table of. All others go over as they are, and Lua decodes them (`lua/replies.lua`): that costs 0.5
microseconds an element, this 0.15.
"""

from __future__ import annotations

from typing import Any, Final

import hiredis

# What Python gives to Lua for one call: a value, several values, or nothing, which stands for OK.
Given = bytes | int | float | bool | tuple[Any, ...] | None

# The second of several values says what the first one is, as `lua/api.lua` knows them.
ENCODED: Final = 1
ERROR: Final = 2
ARRAY: Final = 3
# What a value takes in Lua beside its bytes, in a table that may double its size meanwhile.
VALUE_BYTES: Final = 96
# Lua's stack has room for so many values.
_VALUES_MAX: Final = 1000
# Beginnings of elements that are tables in Lua. Text may look like them, too.
_TABLES: Final = (b"\r\n+", b"\r\n-", b"\r\n*")
_OK: Final = b"+OK\r\n"
_STRING, _INTEGER, _FAILURE, _ARRAY = b"$:-*"
_MINUS: Final = 0x2D


def room_for(encoded: bytes) -> int:
    """Bytes that the value of a reply takes in Lua at most, while it is made."""
    size = len(encoded)
    if encoded[0] != _ARRAY:
        return size + VALUE_BYTES
    return 2 * size + VALUE_BYTES * min(encoded.count(b"\r\n"), _VALUES_MAX)


def given(encoded: bytes, *, resp3: bool) -> Given:
    """What the reply of a command is for a script; `resp3` is how it was asked to answer."""
    kind = encoded[0]
    if kind == _STRING:
        if encoded[1] == _MINUS:
            return False
        return encoded[encoded.index(b"\n") + 1 : -2]
    if kind == _INTEGER:
        return int(encoded[1:-2])
    if encoded == _OK:
        return None
    if kind == _FAILURE:
        return encoded[1:-2], ERROR
    if kind == _ARRAY and not resp3:
        return _given_array(encoded)
    return encoded, ENCODED


def _given_array(encoded: bytes) -> Given:
    if encoded[1] == _MINUS:
        return False
    count = int(encoded[1 : encoded.index(b"\r")])
    if count > _VALUES_MAX or any(table in encoded for table in _TABLES):
        return encoded, ENCODED
    reader = hiredis.Reader()
    reader.feed(encoded)
    values = reader.gets()
    return (None, ARRAY, *(False if value is None else value for value in values))
