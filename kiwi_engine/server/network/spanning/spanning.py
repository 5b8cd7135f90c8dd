"""Carrying out a command that concerns all network processes (shell: event loop).

    worker:   forward it to the primary                            ask_primary("run")
    primary:  run its own part, have the workers run theirs        ask_workers("run_part")
              make one reply of all (`spanning.rules`)

So what such commands do has one order, whichever process their clients are connected to: that in
which the primary runs its parts. A worker that does not answer in time is left out of the reply;
what it is told to change it still gets, in order, when it goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from kiwi_engine.clock import perf_counter_ns
from kiwi_engine.errors import KiwiError, ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.peers.peers import Peers
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.spanning.callers import Caller, caller_of, stand_in
from kiwi_engine.server.network.spanning.combine import Asked, is_error
from kiwi_engine.server.network.spanning.rules import RULES, Scope

if TYPE_CHECKING:
    from kiwi_engine.server.network.facade import ServerFacade
    from kiwi_engine.server.network.local.handler import Handler

logger = logging.getLogger(__name__)

# Beyond what the command itself may take.
_GRACE_S: Final = 2.0
# A backup may come first, which takes as long as it takes.
_UNBOUNDED: Final = frozenset(("shutdown",))
_UNBOUNDED_S: Final = 86_400.0


class Order(msgspec.Struct, array_like=True, frozen=True):
    """A command, by its full name and its words, of a client."""

    name: str
    words: list[bytes]
    caller: Caller


class Outcome(NamedTuple):
    """An encoded reply, and how long the primary ran what made it, without what it waited for."""

    encoded: bytes
    run_ns: int


class Share(NamedTuple):
    """What workers do for a command that is not simply run there once more.

    `words` makes what `handler` gets of what the primary has just done.
    """

    handler: Handler
    words: Callable[[ServerFacade], list[bytes]] | None = None


class Spanning:
    """One in each network process of several.

    `shares` are those of the commands that have one. `patience_s` is how long a command may take.
    """

    def __init__(
        self,
        facade: ServerFacade,
        peers: Peers,
        handlers: Mapping[str, Handler],
        shares: Mapping[str, Share],
        patience_s: Callable[[], float],
    ) -> None:
        self._facade = facade
        self._peers = peers
        self._handlers = handlers
        self._shares = shares
        self._patience_s = patience_s
        peers.register("run", self._run_for_worker)
        peers.register("run_part", self._run_part)
        peers.register("all_told", lambda parameters: None)

    async def answer(self, session: Session, name: str, words: list[bytes]) -> Outcome:
        """The reply to a command of a client of this process, errors included."""
        order = Order(name, words, caller_of(session))
        if self._peers.is_primary:
            return await self._spread(order, session)
        patience_s = _UNBOUNDED_S if name in _UNBOUNDED else self._patience_s() + _GRACE_S
        return Outcome(*await self._peers.ask_primary("run", order, patience_s))

    async def _run_for_worker(self, parameters: Any) -> Outcome:
        """Of the primary: run a command of a client of a worker."""
        order = msgspec.convert(parameters, Order)
        return await self._spread(order, stand_in(order.caller))

    async def _spread(self, order: Order, session: Session) -> Outcome:
        scope, combine = RULES[order.name]
        if scope is Scope.LAST:
            # What a worker told before it answers has arrived then.
            await self._peers.ask_workers("all_told", None)
        outcome = await self._run_here(order, session)
        own, run_ns = outcome
        if scope in (Scope.PRIMARY, Scope.LAST) or (scope is Scope.FIRST and is_error(own)):
            return outcome
        # Nothing may come in between: this order is the one in which others get it, too.
        others = await self._peers.ask_workers("run_part", self._part_of(order))
        if scope is Scope.FIRST:
            for each in filter(is_error, others):
                logger.error("a network worker could not do %s: %r", order.name, each)
        return Outcome(combine([own, *others], Asked(order.words, session.resp3)), run_ns)

    def _part_of(self, order: Order) -> Order:
        """What workers are to do."""
        share = self._shares.get(order.name)
        if share is None or share.words is None:
            return order
        return msgspec.structs.replace(order, words=share.words(self._facade))

    async def _run_part(self, parameters: Any) -> bytes:
        """Of a worker: its part of a command."""
        order = msgspec.convert(parameters, Order)
        return (await self._run_here(order, stand_in(order.caller))).encoded

    async def _run_here(self, order: Order, session: Session) -> Outcome:
        """The encoded reply of this process, errors included."""
        handler = self._handlers[order.name]
        if not self._peers.is_primary and order.name in self._shares:
            handler = self._shares[order.name].handler
        started_ns = perf_counter_ns()
        run_ns = 0
        try:
            answer = handler(self._facade, session, order.words)
            run_ns = perf_counter_ns() - started_ns
            return Outcome(answer if isinstance(answer, bytes) else await answer, run_ns)
        except ReplyError as error:
            return Outcome(reply.error(error.text), run_ns)
        except KiwiError as error:
            return Outcome(reply.error(f"ERR {error}"), run_ns)
