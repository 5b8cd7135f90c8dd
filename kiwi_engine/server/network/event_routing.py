"""Where events of the storage runtime go (glue)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from kiwi_engine.channel.events import Event

logger = logging.getLogger(__name__)


class EventRouting:
    """One receiver for each kind of event."""

    def __init__(self) -> None:
        self._receivers: dict[type[Any], Callable[[Any], None]] = {}

    def register(self, kind: type[Any], receiver: Callable[[Any], None]) -> None:
        """Let `receiver` have the events of `kind`."""
        assert kind not in self._receivers, f"{kind} has a receiver"
        self._receivers[kind] = receiver

    def take(self, event: Event) -> None:
        """Hand an event to its receiver; those that nobody wants are dropped.

        A receiver that fails is a bug, and must not take the link to the storage runtime with it.
        """
        receiver = self._receivers.get(type(event))
        if receiver is None:
            return
        try:
            receiver(event)
        except Exception:
            logger.exception("the event %r was lost", event)
