"""Web browsers that are made to talk to the server (shell: the log).

A web page can have its reader's browser send a POST request to any address that the browser can
reach. The lines of such a request would be refused one by one, and its body be served. So, as in
Redis, a connection ends at the first command that is called POST or Host:, without a word.
"""

from __future__ import annotations

import logging
from typing import Final

from kiwi_engine.server.network.session import Session

logger = logging.getLogger(__name__)

_ENDING: Final = frozenset((b"post", b"host:"))
_WARNING_INTERVAL_NS: Final = 60_000_000_000


def is_cross_protocol(word: bytes) -> bool:
    """Whether a command of this name is the beginning, or part, of a web request."""
    return word.lower() in _ENDING


class CrossProtocolWarnings:
    """One a minute at most, because whoever does this once will do it often."""

    __slots__ = ("_next_ns",)

    def __init__(self) -> None:
        self._next_ns = 0

    def warn(self, session: Session, now_ns: int) -> None:
        """The connection of `session` ends for that reason at `now_ns` (monotonic)."""
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns + _WARNING_INTERVAL_NS
        logger.warning(
            "a web request (POST or Host:) came from %s, probably to attack the server through "
            "somebody's browser: the connection is closed",
            session.address,
        )
