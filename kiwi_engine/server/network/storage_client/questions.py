"""Queries that are waited for (shell: event loop)."""

from __future__ import annotations

import asyncio
import logging
from itertools import count
from typing import Any, Final

from kiwi_engine.channel.frames import Query
from kiwi_engine.channel.numbering import Numbering
from kiwi_engine.errors import KiwiError, OverloadedError

logger = logging.getLogger(__name__)

# Clients may ask for INFO in pipelines, and their questions hold no credits.
WAITING_MAX: Final = 10_000


class Questions:
    """The answers to come, by the number of the query."""

    def __init__(self, loop: asyncio.AbstractEventLoop, numbering: Numbering) -> None:
        self._loop = loop
        self._identities = count(numbering.first, numbering.count)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    def ask(self, method: str, parameters: dict[str, Any]) -> tuple[Query, asyncio.Future[Any]]:
        """A query and its answer to come; `OverloadedError` if too many are unanswered."""
        if len(self._waiting) >= WAITING_MAX:
            raise OverloadedError("BUSY too many questions wait for the storage runtime")
        return self._new(method, parameters)

    def order(self, method: str, parameters: dict[str, Any]) -> Query:
        """A query whose answer only matters if it is an error, which is logged."""
        query, future = self._new(method, parameters)
        future.add_done_callback(_log_refusal)
        return query

    def _new(self, method: str, parameters: dict[str, Any]) -> tuple[Query, asyncio.Future[Any]]:
        query = Query(next(self._identities), method, parameters)
        future = self._waiting[query.id] = self._loop.create_future()
        return query, future

    def is_waited_for(self, query: Query) -> bool:
        """Whether its answer would still be taken."""
        return query.id in self._waiting

    def forget(self, query: Query) -> None:
        """Nobody waits for its answer any more."""
        self._waiting.pop(query.id, None)

    def answered(self, identity: int, error: str, result: Any) -> None:
        """An answer has come; if nobody waits for it any more it is dropped."""
        future = self._waiting.pop(identity, None)
        if future is None or future.done():
            return
        if error:
            future.set_exception(KiwiError(error))
        else:
            future.set_result(result)

    def fail_all(self, error: KiwiError) -> None:
        """There will be no answers."""
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)
        self._waiting.clear()


def _log_refusal(answer: asyncio.Future[Any]) -> None:
    if not answer.cancelled() and (error := answer.exception()) is not None:
        logger.warning("the storage runtime did not do what it was told: %s", error)
