"""WAIT, WAITAOF and CLIENT UNBLOCK (shell: event loop).

There are no replicas: who waits for one waits until the time is over, as with a Redis that has
none. The log is written by each commit, so all there is to wait for is the sync of the modes that
reply before it.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Self

from kiwi_engine.clock import monotonic_ns, wall_ms
from kiwi_engine.commands.arguments import integer, integer_between
from kiwi_engine.commands.timeouts import parse_milliseconds
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.handler import Answer, Handler
from kiwi_engine.server.network.session import Session

_REASONS: Final = {b"timeout": False, b"error": True}
# How often the storage runtime is asked whether it has synced.
_ASK_EVERY_S: Final = 0.005


def wait(facade: ServerFacade, session: Session, words: list[bytes]) -> Answer:
    replicas = integer(words[1])
    timeout_ms = parse_milliseconds(words[2], wall_ms())
    if replicas <= 0 or session.is_executing:
        return reply.ZERO
    return _without_replicas(session, timeout_ms)


async def _without_replicas(session: Session, timeout_ms: int) -> bytes:
    with _Wait(session, timeout_ms) as time:
        await time.is_over_within(None)
    return reply.ZERO


def waitaof(facade: ServerFacade, session: Session, words: list[bytes]) -> Answer:
    wants_local = integer_between(words[1], 0, 1) == 1
    positive = "ERR value is out of range, must be positive"
    replicas = integer_between(words[2], 0, INTEGER_MAX, positive)
    timeout_ms = parse_milliseconds(words[3], wall_ms())
    return _until_synced(facade, session, wants_local, replicas > 0, timeout_ms)


async def _until_synced(
    facade: ServerFacade, session: Session, wants_local: bool, wants_replica: bool, timeout_ms: int
) -> bytes:
    """The counts of logs, 0 or 1, and of replicas that have what was written before."""
    state = await _durability(facade, sync=wants_local)
    wanted_lsn = state["written"]
    if not session.is_executing:
        with _Wait(session, timeout_ms) as time:
            while wants_local and state["durable"] < wanted_lsn:
                if await time.is_over_within(_ASK_EVERY_S):
                    break
                state = await _durability(facade)
            if wants_replica:
                await time.is_over_within(None)
    is_synced = state["durable"] >= wanted_lsn
    return reply.array((reply.integer(int(is_synced)), reply.ZERO))


async def _durability(facade: ServerFacade, *, sync: bool = False) -> dict[str, int]:
    found: dict[str, int] = await facade.query("durability", {"sync": sync})
    return found


class _Wait:
    """A time in which `session` is blocked, unless CLIENT UNBLOCK or its end cuts it short."""

    def __init__(self, session: Session, timeout_ms: int) -> None:
        self._session = session
        self._ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._until_ns = monotonic_ns() + timeout_ms * 1_000_000 if timeout_ms else 0
        if session.is_closed:
            self._end(with_error=False)

    def __enter__(self) -> Self:
        self._session.end_wait, self._session.is_blocked = self._end, True
        return self

    def __exit__(self, *details: object) -> None:
        self._session.end_wait, self._session.is_blocked = None, False

    def _end(self, with_error: bool) -> None:
        if not self._ended.done():
            self._ended.set_result(with_error)

    async def is_over_within(self, seconds: float | None) -> bool:
        """Wait so long (None: until it is over); `ReplyError` where it is ended with an error."""
        left = self._seconds_left()
        limits = [limit for limit in (seconds, left) if limit is not None]
        done, _ = await asyncio.wait((self._ended,), timeout=min(limits, default=None))
        if done and self._ended.result():
            raise ReplyError("UNBLOCKED client unblocked via CLIENT UNBLOCK")
        return bool(done) or self._seconds_left() == 0

    def _seconds_left(self) -> float | None:
        """None: for ever."""
        return max(0.0, (self._until_ns - monotonic_ns()) / 1e9) if self._until_ns else None


def unblock(facade: ServerFacade, session: Session, words: list[bytes]) -> Answer:
    """1 if the connection was waiting."""
    if len(words) > 4:
        raise ReplyError(
            "ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP."
        )
    with_error = _REASONS.get(words[3].lower()) if len(words) == 4 else False
    if with_error is None:
        raise ReplyError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    target_id = integer(words[2])
    target = next((each for each in facade.sessions() if each.id == target_id), None)
    if target is None or not target.is_blocked:
        return reply.ZERO
    if target.end_wait is not None:
        target.end_wait(with_error)
        return reply.ONE
    return _unblock_stored(facade, target_id, with_error)


async def _unblock_stored(facade: ServerFacade, source: int, with_error: bool) -> bytes:
    parameters: dict[str, Any] = {"source": source, "with_error": with_error}
    return reply.integer(int(bool(await facade.query("unblock", parameters))))


HANDLERS: Final[dict[str, Handler]] = {
    "wait": wait,
    "waitaof": waitaof,
    "client|unblock": unblock,
}
