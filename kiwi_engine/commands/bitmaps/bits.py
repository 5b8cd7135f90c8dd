"""The bitmap commands on single bits, ranges and whole strings (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import integer, syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.integers import to_integer
from kiwi_engine.keyspace.observation import STRING
from kiwi_engine.keyspace.strings.bits import BitOperation, combine, count_bits, find_bit
from kiwi_engine.keyspace.strings.strings import String, new_paged_string, open_or_new, open_string
from kiwi_engine.resp.reply import ONE, ZERO
from kiwi_engine.resp.reply import integer as integer_reply

OFFSET_ERROR: Final = "ERR bit offset is not an integer or out of range"
_BIT_ERROR: Final = "ERR bit is not an integer or out of range"
_NOT_FOUND: Final = b":-1\r\n"
_UNITS: Final = {b"bit": 1, b"byte": 8}
_OPERATIONS: Final = {operation.value.encode(): operation for operation in BitOperation}
# Pages of a long result of BITOP that are worked out at once; fewer than what is worth a walk.
_PAGES_AT_ONCE: Final = 64


def check_offset(context: Context, offset: int | None) -> int:
    """A bit offset, or the error for none or for one that no string can have."""
    if offset is None or not 0 <= offset >> 3 < context.keyspace.value_bytes_max:
        raise ReplyError(OFFSET_ERROR)
    return offset


def setbit(context: Context, arguments: list[bytes]) -> bytes:
    _, key, offset_text, bit_text = arguments
    offset = check_offset(context, to_integer(offset_text))
    bit = integer(bit_text, _BIT_ERROR)
    if bit not in (0, 1):
        raise ReplyError(_BIT_ERROR)
    string = open_or_new(context.db, key, context.now_ms)
    at, shift = offset >> 3, 7 - (offset & 7)
    found = string.read(at, at + 1)
    byte = found[0] if found else 0
    previous = byte >> shift & 1
    if not found or previous != bit:
        string = string.resized(at + 1)
        string.write(at, bytes((byte & ~(1 << shift) | bit << shift,)))
        string.save()
        context.changed(key, STRING, b"setbit")
    return ONE if previous else ZERO


def getbit(context: Context, arguments: list[bytes]) -> bytes:
    offset = check_offset(context, to_integer(arguments[2]))
    string = open_string(context.db, arguments[1], context.now_ms)
    found = string.read(offset >> 3, (offset >> 3) + 1) if string else b""
    return ONE if found and found[0] >> 7 - (offset & 7) & 1 else ZERO


def bitcount(context: Context, arguments: list[bytes]) -> bytes:
    count = len(arguments)
    start, end, unit = 0, -1, 8
    if count in (4, 5):
        start, end = integer(arguments[2]), integer(arguments[3])
        unit = _unit(arguments[4]) if count == 5 else 8
    elif count != 2:
        syntax_error()
    string = open_string(context.db, arguments[1], context.now_ms)
    if string is None or (start < 0 and end < 0 and start > end):
        return ZERO
    found = _bit_range(string, start, end, unit)
    return ZERO if found is None else integer_reply(count_bits(string, *found))


def bitpos(context: Context, arguments: list[bytes]) -> bytes:
    bit = integer(arguments[2])
    if bit not in (0, 1):
        raise ReplyError("ERR The bit argument must be 1 or 0.")
    count = len(arguments)
    if count > 6:
        syntax_error()
    start = integer(arguments[3]) if count > 3 else 0
    unit = _unit(arguments[5]) if count > 5 else 8
    end = integer(arguments[4]) if count > 4 else -1
    string = open_string(context.db, arguments[1], context.now_ms)
    if string is None:
        return _NOT_FOUND if bit else ZERO
    bounds = _bit_range(string, start, end, unit)
    if bounds is None:
        return _NOT_FOUND
    found = find_bit(string, bit, *bounds)
    if found is None and not bit and count < 5:
        # Without an end, the string counts as going on with zeros.
        found = 8 * string.size
    return _NOT_FOUND if found is None else integer_reply(found)


def _unit(word: bytes) -> int:
    """How many bits an index counts."""
    unit = _UNITS.get(word.lower())
    return unit if unit is not None else syntax_error()


def _bit_range(string: String, start: int, end: int, unit: int) -> tuple[int, int] | None:
    """The first and the last bit of a range; negative indexes count from the end."""
    total = 8 * string.size // unit
    first = max(0, start + total if start < 0 else start)
    last = min(total - 1, max(0, end + total if end < 0 else end))
    return (first * unit, last * unit + unit - 1) if first <= last else None


def bitop(context: Context, arguments: list[bytes]) -> bytes:
    operation = _OPERATIONS.get(arguments[1].lower())
    if operation is None:
        syntax_error()
    target, names = arguments[2], arguments[3:]
    if operation is BitOperation.NOT and len(names) != 1:
        raise ReplyError("ERR BITOP NOT must be called with a single source key.")
    db, now_ms = context.db, context.now_ms
    db.prefetch(names)
    sources = [open_string(db, name, now_ms) for name in names]
    size = max(0 if source is None else source.size for source in sources)
    if not size:
        context.delete(target)
        return ZERO
    context.overwrites(target)
    if size <= db.limits.paged_min_bytes:
        db.set(target, combine(operation, _read_all(sources, 0, size), size))
    else:
        _store_long_result(context, operation, target, sources, size)
    context.changed(target, STRING, b"set")
    return integer_reply(size)


def _read_all(sources: list[String | None], begin: int, end: int) -> list[bytes]:
    return [b"" if source is None else source.read(begin, end) for source in sources]


def _store_long_result(
    context: Context,
    operation: BitOperation,
    target: bytes,
    sources: list[String | None],
    size: int,
) -> None:
    """Write the result in pages, of which only some are in memory at once."""
    result = new_paged_string(context.db, target, deadline_ms=0)
    part_bytes = _PAGES_AT_ONCE * result.page_bytes
    for number in _parts_to_combine(operation, sources, size, part_bytes):
        begin, end = number * part_bytes, min(size, (number + 1) * part_bytes)
        data = combine(operation, _read_all(sources, begin, end), end - begin)
        result.write(begin, data)
    result.resized(size).replace()


def _parts_to_combine(
    operation: BitOperation, sources: list[String | None], size: int, part_bytes: int
) -> list[int]:
    """The parts, by their numbers, where the result may be other than zero."""
    if operation is BitOperation.NOT:
        return list(range(-(-size // part_bytes)))
    stored = [set() if source is None else source.parts(part_bytes) for source in sources]
    combined = set.intersection if operation is BitOperation.AND else set.union
    return sorted(combined(*stored))


TABLE: Final = (
    row(
        "setbit", 4, "write denyoom", setbit,
        summary="Sets or clears one bit of a string, which it creates or makes longer if need be.",
        since="2.2.0", group="bitmap", categories="bitmap",
        syntax="key offset value", keys=(keys("RW access update"),),
    ),
    row(
        "getbit", 3, "readonly fast", getbit,
        summary="Returns one bit of a string.",
        since="2.2.0", group="bitmap", categories="bitmap",
        syntax="key offset", keys=(keys("RO access"),),
    ),
    row(
        "bitcount", -2, "readonly", bitcount,
        summary="Counts the bits of a string that are 1.",
        since="2.6.0", group="bitmap", categories="bitmap",
        complexity="O(N), N being the length of the range, as far as it is stored",
        syntax="key [start end [BYTE | BIT]]", keys=(keys("RO access"),),
    ),
    row(
        "bitpos", -3, "readonly", bitpos,
        summary="Finds the first bit of a string that is 1, or 0.",
        since="2.8.7", group="bitmap", categories="bitmap",
        complexity="O(N), N being the length of the range, as far as it is stored",
        syntax="key bit [start [end [BYTE | BIT]]]", keys=(keys("RO access"),),
    ),
    row(
        "bitop", -4, "write denyoom", bitop,
        summary="Combines the bits of several strings and stores the result.",
        since="2.6.0", group="bitmap", categories="bitmap",
        complexity="O(N), N being the length of the longest string",
        syntax="<AND | OR | XOR | NOT> destkey key [key ...]",
        keys=(keys("OW update", first=2), keys("RO access", first=3, last=-1)),
    ),
)  # fmt: skip
