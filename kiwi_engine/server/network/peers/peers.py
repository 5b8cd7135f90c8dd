"""The other network processes of a server, as each of them sees them (pure interface)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from kiwi_engine.channel.numbering import SOLE, Numbering
from kiwi_engine.server.network.peers.messages import OTHERS
from kiwi_engine.server.network.peers.methods import Method

# Called with the number of a worker.
Watcher = Callable[[int], None]


class Peers(Protocol):
    """Called on the network runtime's event loop.

    The process of the supervisor is the primary, with the number 0; the others are its workers.
    """

    numbering: Numbering

    @property
    def is_primary(self) -> bool: ...

    def register(self, name: str, method: Method) -> None:
        """Let the others tell or ask this; `method` takes the parameters.

        What is asked may be answered by an awaitable. `KiwiError` reaches the one who asks.
        """

    def watch(self, joined: Watcher, left: Watcher) -> None:
        """Of the primary: call these for each worker that starts, and that is gone.

        What `joined` tells the worker is what it hears first, with the settings and users of now.
        """

    def tell(self, method: str, parameters: Any, to: int = OTHERS) -> None:
        """Tell one process, or all others; lost if it has ended."""

    async def ask_primary(self, method: str, parameters: Any, patience_s: float) -> Any:
        """Of a worker: the primary's answer; `KiwiError` if it fails or is late."""

    async def ask_workers(self, method: str, parameters: Any) -> list[Any]:
        """Of the primary: the answers of the workers, without those that fail or are late.

        A worker that is late still does what it is asked, when it can.
        """

    async def ask_worker(self, number: int, method: str, parameters: Any) -> Any:
        """Of the primary: the answer of one worker; `KiwiError` if it fails or is late."""


class Alone:
    """`Peers` of the only network process there is."""

    is_primary = True

    def __init__(self) -> None:
        self.numbering = SOLE

    def register(self, name: str, method: Method) -> None:
        """Nobody will call it."""

    def watch(self, joined: Watcher, left: Watcher) -> None:
        """Nobody comes or goes."""

    def tell(self, method: str, parameters: Any, to: int = OTHERS) -> None:
        """There is nobody to tell."""

    async def ask_primary(self, method: str, parameters: Any, patience_s: float) -> Any:
        raise AssertionError("this is the primary")

    async def ask_workers(self, method: str, parameters: Any) -> list[Any]:
        return []

    async def ask_worker(self, number: int, method: str, parameters: Any) -> Any:
        raise AssertionError("there are no workers")
