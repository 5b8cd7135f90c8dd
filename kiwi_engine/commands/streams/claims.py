"""XCLAIM and XAUTOCLAIM: a consumer takes over what another one has not acknowledged (pure)."""

from __future__ import annotations

from itertools import islice
from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import integer, integer_between, syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.commands.streams.arguments import (
    CONSUMER_CREATED,
    entry_reply,
    existing_group,
    id_reply,
    parse_id,
    parse_low,
    shown,
)
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX
from kiwi_engine.keyspace.observation import STREAM
from kiwi_engine.keyspace.streams.format import Pending
from kiwi_engine.keyspace.streams.groups import Consumer, ConsumerGroup
from kiwi_engine.keyspace.streams.stream import Stream
from kiwi_engine.resp.reply import array

_DEFAULT_COUNT: Final = 100
# XAUTOCLAIM looks at so many times as many entries as it may return.
_ATTEMPTS: Final = 10
_COUNT_MAX: Final = INTEGER_MAX // 16


class Claim(NamedTuple):
    """How entries are taken over. `deliveries` None: one more than before, or the same number."""

    idle_min_ms: int
    delivered_ms: int
    deliveries: int | None = None
    last_id: int = 0
    forces: bool = False
    only_ids: bool = False


class _Claimer:
    """Takes over entries of a group one by one."""

    def __init__(
        self, context: Context, stream: Stream, group: ConsumerGroup, name: bytes, claim: Claim
    ) -> None:
        self._now_ms = context.now_ms
        self._stream = stream
        self._group = group
        self._claim = claim
        found = group.consumer(name)
        self._consumer: Consumer = found or group.create_consumer(name, context.now_ms)
        self._consumer.seen_ms = context.now_ms

    def take(self, entry_id: int, pending: Pending | None) -> bytes | None:
        """The reply for an entry that the consumer now owns; None if that is not to be."""
        claim = self._claim
        if pending is None and not claim.forces:
            return None
        if pending is not None and self._idle_ms(pending) < claim.idle_min_ms:
            return None
        fields = self._stream.fields(entry_id)
        if fields is None:
            return None
        # A forced entry counts as delivered once before, whoever made it pending.
        deliveries = 1 if pending is None else pending.deliveries
        if claim.deliveries is not None:
            deliveries = claim.deliveries
        elif not claim.only_ids:
            deliveries += 1
        taken = Pending(entry_id, self._consumer.name, claim.delivered_ms, deliveries)
        self._group.assign(taken, self._consumer, pending)
        self._consumer.active_ms = self._now_ms
        return id_reply(entry_id) if claim.only_ids else entry_reply(entry_id, fields)

    def _idle_ms(self, pending: Pending) -> int:
        # A delivery may lie in the future: the clock was set back, or XCLAIM in Redis said so.
        return max(0, self._now_ms - pending.delivered_ms)


def xclaim(context: Context, words: list[bytes]) -> bytes:
    stream, group = existing_group(context, words[1], words[2])
    idle_min_ms = max(0, integer(words[4], "ERR Invalid min-idle-time argument for XCLAIM"))
    entry_ids, claim = _parse_claim(words, idle_min_ms, context.now_ms)
    group.last_id = max(group.last_id, claim.last_id)
    is_new = group.consumer(words[3]) is None
    claimer = _Claimer(context, stream, group, words[3], claim)
    parts = []
    for entry_id in entry_ids:
        pending = group.pending(entry_id)
        if pending is not None and not stream.has(entry_id):
            group.forget(pending)
            continue
        reply = claimer.take(entry_id, pending)
        if reply is not None:
            parts.append(reply)
    group.save()
    if is_new:
        context.noted(words[1], STREAM, CONSUMER_CREATED)
    return array(parts)


def _parse_claim(words: list[bytes], idle_min_ms: int, now_ms: int) -> tuple[list[int], Claim]:
    """The IDs, and the options that begin with the first word that is none."""
    entry_ids: list[int] = []
    at = 5
    for word in words[5:]:
        try:
            entry_ids.append(parse_id(word))
        except ReplyError:
            break
        at += 1
    claim = Claim(idle_min_ms, now_ms)
    while at < len(words):
        word, has_more = words[at].lower(), at + 1 < len(words)
        if word == b"force":
            claim = claim._replace(forces=True)
        elif word == b"justid":
            claim = claim._replace(only_ids=True)
        elif word in _CLAIM_VALUES and has_more:
            at += 1
            claim = _with_value(claim, word, words[at], now_ms)
        else:
            raise ReplyError(f"ERR Unrecognized XCLAIM option '{shown(words[at])}'")
        at += 1
    return entry_ids, claim


_CLAIM_VALUES: Final = frozenset((b"idle", b"time", b"retrycount", b"lastid"))


def _with_value(claim: Claim, option: bytes, text: bytes, now_ms: int) -> Claim:
    if option == b"lastid":
        return claim._replace(last_id=parse_id(text))
    name = option.decode().upper()
    number = integer(text, f"ERR Invalid {name} option argument for XCLAIM")
    if option == b"retrycount":
        return claim._replace(deliveries=number if number >= 0 else None)
    delivered_ms = now_ms - number if option == b"idle" else number
    # A clock that differs from ours is no reason to refuse: such a delivery was now.
    return claim._replace(delivered_ms=delivered_ms if 0 <= delivered_ms <= now_ms else now_ms)


def xautoclaim(context: Context, words: list[bytes]) -> bytes:
    idle_min_ms = max(0, integer(words[4], "ERR Invalid min-idle-time argument for XAUTOCLAIM"))
    low = parse_low(words[5])
    count, only_ids = _parse_autoclaim_options(words)
    stream, group = existing_group(context, words[1], words[2])
    claim = Claim(idle_min_ms, context.now_ms, only_ids=only_ids)
    is_new = group.consumer(words[3]) is None
    claimer = _Claimer(context, stream, group, words[3], claim)
    taken: list[bytes] = []
    deleted: list[bytes] = []
    candidates = group.all_pending(low)
    for pending in islice(candidates, count * _ATTEMPTS):
        if not stream.has(pending.entry_id):
            group.forget(pending)
            deleted.append(id_reply(pending.entry_id))
        else:
            reply = claimer.take(pending.entry_id, pending)
            if reply is not None:
                taken.append(reply)
        if len(taken) + len(deleted) == count:
            break
    cursor = next((pending.entry_id for pending in candidates), 0)
    group.save()
    if is_new:
        context.noted(words[1], STREAM, CONSUMER_CREATED)
    return array([id_reply(cursor), array(taken), array(deleted)])


def _parse_autoclaim_options(words: list[bytes]) -> tuple[int, bool]:
    count, only_ids = _DEFAULT_COUNT, False
    at = 6
    while at < len(words):
        word = words[at].lower()
        at += 1
        if word == b"count" and at < len(words):
            count = integer_between(words[at], 1, _COUNT_MAX, "ERR COUNT must be > 0")
            at += 1
        elif word == b"justid":
            only_ids = True
        else:
            syntax_error()
    return count, only_ids


TABLE: Final = (
    row(
        "xclaim", -6, "write fast", xclaim,
        summary="Gives pending entries to another consumer of the group.",
        since="5.0.0", group="stream", categories="stream",
        complexity="O(N), N being the number of IDs",
        syntax="key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-ms] "
        "[RETRYCOUNT count] [FORCE] [JUSTID] [LASTID last-id]",
        keys=(keys("RW update"),), tips=("nondeterministic_output",),
    ),
    row(
        "xautoclaim", -6, "write fast", xautoclaim,
        summary="Gives pending entries that are idle for long to another consumer of the group.",
        since="6.2.0", group="stream", categories="stream",
        complexity="O(N), N being COUNT",
        syntax="key group consumer min-idle-time start [COUNT count] [JUSTID]",
        keys=(keys("RW delete"),), tips=("nondeterministic_output",),
    ),
)  # fmt: skip
