"""The shape of a locally answered command (pure)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.session import Session

# The encoded reply, or a coroutine for it whose result takes its place in the order of replies.
Answer = bytes | Coroutine[Any, Any, bytes]

# (server, connection, whole command with its name as element 0); raises `ReplyError`.
Handler = Callable[[ServerFacade, Session, list[bytes]], Answer]
