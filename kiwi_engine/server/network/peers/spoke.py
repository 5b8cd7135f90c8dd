"""A worker's link to the primary (shell: event loop)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kiwi_engine.channel.numbering import Numbering
from kiwi_engine.server.network.peers.link import PeerLink
from kiwi_engine.server.network.peers.messages import OTHERS, Tell
from kiwi_engine.server.network.peers.methods import Method, Methods
from kiwi_engine.server.network.peers.peers import Watcher


class Spoke:
    """`Peers` of a worker. `on_lost` is called when the primary is gone."""

    is_primary = False

    def __init__(self, numbering: Numbering, on_lost: Callable[[], None]) -> None:
        self.numbering = numbering
        self._methods = Methods()
        self.link = PeerLink(self._methods, self._told, on_lost)

    def register(self, name: str, method: Method) -> None:
        self._methods.register(name, method)

    def watch(self, joined: Watcher, left: Watcher) -> None:
        """The primary alone sees them come and go."""

    def tell(self, method: str, parameters: Any, to: int = OTHERS) -> None:
        self.link.tell(Tell(to, method, parameters))

    async def ask_primary(self, method: str, parameters: Any, patience_s: float) -> Any:
        return await self.link.ask(method, parameters, patience_s)

    async def ask_workers(self, method: str, parameters: Any) -> list[Any]:
        raise AssertionError("only the primary asks workers")

    async def ask_worker(self, number: int, method: str, parameters: Any) -> Any:
        raise AssertionError("only the primary asks workers")

    def _told(self, tell: Tell) -> None:
        self._methods.told(tell.method, tell.parameters)
