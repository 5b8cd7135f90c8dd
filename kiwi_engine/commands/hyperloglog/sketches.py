"""The HyperLogLog commands (pure).

A HyperLogLog is a string of a certain form (`keyspace.hyperloglog.sketch`). PFCOUNT keeps its
estimate in it, as Redis does, unless writes are refused at the moment.
"""

from __future__ import annotations

import math
from typing import Final

from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.hyperloglog import registers
from kiwi_engine.keyspace.hyperloglog import sketch as sketches
from kiwi_engine.keyspace.hyperloglog.sparse import CorruptRunsError
from kiwi_engine.keyspace.observation import SILENT, STRING
from kiwi_engine.resp.reply import OK, ONE, ZERO, array, bulk, simple
from kiwi_engine.resp.reply import integer as integer_reply

_NO_SKETCH: Final = "WRONGTYPE Key is not a valid HyperLogLog string value."
_CORRUPT: Final = "INVALIDOBJ Corrupted HLL object detected"
_STANDARD_ERROR: Final = 1.04 / math.sqrt(registers.REGISTERS)
# PFSELFTEST: cycles over random registers, and cardinalities to be estimated.
_SELFTEST_CYCLES: Final = 10
_SELFTEST_CARDINALITIES: Final = (1, 10, 100, 1000, 10_000)
# Estimates of random elements fail by more than this many standard errors practically never.
_SELFTEST_ERRORS: Final = 6


def pfadd(context: Context, arguments: list[bytes]) -> bytes:
    key = arguments[1]
    stored, deadline_ms = _sketch_and_deadline(context, key)
    value = sketches.empty() if stored is None else stored
    try:
        changed = sketches.add(value, arguments[2:], context.keyspace.limits.hll_sparse_max_bytes)
    except CorruptRunsError:
        raise ReplyError(_CORRUPT) from None
    if changed is None and stored is not None:
        return ZERO
    context.db.update(key, changed or value, deadline_ms)
    context.changed(key, STRING, b"pfadd")
    return ONE


def pfcount(context: Context, arguments: list[bytes]) -> bytes:
    if len(arguments) > 2:
        union, _ = _union(context, arguments[1:])
        return _cardinality_reply(registers.estimate(union))
    key = arguments[1]
    value, deadline_ms = _sketch_and_deadline(context, key)
    if value is None:
        return ZERO
    cardinality = sketches.cached_cardinality(value)
    if cardinality is None:
        cardinality = registers.estimate(_registers(value))
        if context.keyspace.expiry.may_write:
            context.db.update(key, sketches.with_cardinality(value, cardinality), deadline_ms)
            context.changed(key, SILENT, b"")
    return _cardinality_reply(cardinality)


def _cardinality_reply(cardinality: int) -> bytes:
    """Redis prints the unsigned number as a signed one."""
    is_too_large = cardinality >= registers.ESTIMATE_MAX
    return integer_reply(cardinality - 2**64 if is_too_large else cardinality)


def pfmerge(context: Context, arguments: list[bytes]) -> bytes:
    target = arguments[1]
    union, is_dense = _union(context, arguments[1:])
    stored, deadline_ms = _sketch_and_deadline(context, target)
    merged = sketches.merge(
        sketches.empty() if stored is None else stored,
        union,
        is_dense,
        context.keyspace.limits.hll_sparse_max_bytes,
    )
    context.db.update(target, merged, deadline_ms)
    context.changed(target, STRING, b"pfadd")
    return OK


def pfdebug(context: Context, arguments: list[bytes]) -> bytes:
    _, word, key = arguments
    value, deadline_ms = _sketch_and_deadline(context, key)
    if value is None:
        raise ReplyError("ERR The specified key does not exist")
    subcommand = word.lower()
    if subcommand == b"encoding":
        return simple("sparse" if sketches.is_sparse(value) else "dense")
    if subcommand == b"decode":
        if not sketches.is_sparse(value):
            raise ReplyError("ERR HLL encoding is not sparse")
        return bulk(sketches.runs_text(value).encode())
    if subcommand not in (b"getreg", b"todense"):
        # Redis prints it as a C string: up to the first NUL.
        shown = word.partition(b"\0")[0].decode("utf-8", "surrogateescape")
        raise ReplyError(f"ERR Unknown PFDEBUG subcommand '{shown}'")
    unpacked = _registers(value)
    if sketches.is_sparse(value):
        context.db.update(key, sketches.to_dense(value), deadline_ms)
    if subcommand == b"getreg":
        return array([integer_reply(rank) for rank in unpacked])
    return ONE if sketches.is_sparse(value) else ZERO


def pfselftest(context: Context, _arguments: list[bytes]) -> bytes:
    random = context.keyspace.random
    for _ in range(_SELFTEST_CYCLES):
        drawn = bytes(random.choices(range(registers.RANK_MAX + 1), k=registers.REGISTERS))
        if registers.unpack(registers.pack(drawn)) != drawn:
            raise ReplyError("ERR TESTFAILED registers are not those that were packed")
    sparse, dense = sketches.empty(), sketches.to_dense(sketches.empty())
    limit = context.keyspace.limits.hll_sparse_max_bytes
    salt = random.randbytes(8)
    done = 0
    for cardinality in _SELFTEST_CARDINALITIES:
        elements = [b"%b%d" % (salt, number) for number in range(done, cardinality)]
        done = cardinality
        sparse = sketches.add(sparse, elements, limit) or sparse
        dense = sketches.add(dense, elements, limit) or dense
        if sketches.registers_of(sparse) != sketches.registers_of(dense):
            raise ReplyError("ERR TESTFAILED dense/sparse disagree")
        error = abs(registers.estimate(sketches.registers_of(dense)) - cardinality)
        if error > math.ceil(_SELFTEST_ERRORS * _STANDARD_ERROR * cardinality):
            raise ReplyError(f"ERR TESTFAILED Too big error. card:{cardinality} abserr:{error}")
    return OK


def _sketch_and_deadline(context: Context, key: bytes) -> tuple[bytes | None, int]:
    value, deadline_ms = context.db.get_with_deadline(key, context.now_ms)
    if value is not None and not sketches.is_valid(value):
        raise ReplyError(_NO_SKETCH)
    return value, deadline_ms


def _union(context: Context, names: list[bytes]) -> tuple[bytes, bool]:
    """The registers of the union of what is at `names`, and whether any of that is dense."""
    context.db.prefetch(names)
    union, is_dense = registers.EMPTY, False
    for name in names:
        value, _ = _sketch_and_deadline(context, name)
        if value is not None:
            union = registers.highest(union, _registers(value))
            is_dense = is_dense or not sketches.is_sparse(value)
    return union, is_dense


def _registers(value: bytes) -> bytes:
    try:
        return sketches.registers_of(value)
    except CorruptRunsError:
        raise ReplyError(_CORRUPT) from None


TABLE: Final = (
    row(
        "pfadd", -2, "write denyoom fast", pfadd,
        summary="Adds elements to a HyperLogLog, which it creates if need be.",
        since="2.8.9", group="hyperloglog", categories="hyperloglog",
        complexity="O(1) for each element",
        syntax="key [element [element ...]]", keys=(keys("RW insert"),),
    ),
    row(
        "pfcount", -2, "readonly", pfcount,
        summary="Estimates how many different elements one or more HyperLogLogs have seen.",
        since="2.8.9", group="hyperloglog", categories="hyperloglog",
        complexity="O(1) for one key if nothing was added since, O(N) for N keys",
        syntax="key [key ...]", keys=(keys("RW access", last=-1),),
    ),
    row(
        "pfmerge", -2, "write denyoom", pfmerge,
        summary="Merges HyperLogLogs into one of them.",
        since="2.8.9", group="hyperloglog", categories="hyperloglog",
        complexity="O(N) to merge N HyperLogLogs",
        syntax="destkey [sourcekey [sourcekey ...]]",
        keys=(keys("RW access insert"), keys("RO access", first=2, last=-1)),
    ),
    row(
        "pfdebug", 3, "write denyoom admin", pfdebug,
        summary="Shows the inside of a HyperLogLog.",
        since="2.8.9", group="hyperloglog", categories="hyperloglog",
        complexity="O(N), N being the number of registers",
        syntax="subcommand key", keys=(keys("RW access", first=2),),
    ),
    row(
        "pfselftest", 1, "admin", pfselftest,
        summary="Tests the arithmetic of HyperLogLogs.",
        since="2.8.9", group="hyperloglog", categories="hyperloglog",
        complexity="some 100 ms, whatever is stored",
    ),
)  # fmt: skip
