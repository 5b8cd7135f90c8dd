"""What a network process does for the others, by name (glue)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

from kiwi_engine.errors import KiwiError, ReplyError
from kiwi_engine.server.network.peers.messages import Answer, Ask

logger = logging.getLogger(__name__)

# Takes parameters; what is told must not be answered with an awaitable.
Method = Callable[[Any], Any]


class Methods:
    """A method may raise `KiwiError`; anything else is a bug, which is logged and answered."""

    def __init__(self) -> None:
        self._methods: dict[str, Method] = {}

    def register(self, name: str, method: Method) -> None:
        """Let `method` be called by others."""
        assert name not in self._methods, f"there is a method {name}"
        self._methods[name] = method

    def told(self, name: str, parameters: Any) -> None:
        """Somebody tells something; a failure must not take the link with it."""
        try:
            result = self._methods[name](parameters)
            assert not isawaitable(result), f"{name} is to be asked, not told"
        except Exception:
            logger.exception("another network process told %s in vain", name)

    def asked(self, ask: Ask) -> Answer | Awaitable[Answer]:
        """The answer to a question, or an awaitable for it."""
        try:
            result = self._methods[ask.method](ask.parameters)
        except Exception as error:  # noqa: BLE001 - told to the one who asks
            return _failure(ask, error)
        return _wait(ask, result) if isawaitable(result) else Answer(ask.id, result)


async def _wait(ask: Ask, result: Awaitable[Any]) -> Answer:
    try:
        return Answer(ask.id, await result)
    except Exception as error:  # noqa: BLE001 - told to the one who asks
        return _failure(ask, error)


def _failure(ask: Ask, error: Exception) -> Answer:
    if isinstance(error, ReplyError):
        return Answer(ask.id, error=error.text, is_reply=True)
    if not isinstance(error, KiwiError):
        logger.error(
            "the question %s of another network process failed", ask.method, exc_info=error
        )
    return Answer(ask.id, error=str(error) or type(error).__name__)
