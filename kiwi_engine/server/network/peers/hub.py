"""The primary's links to its workers (shell: event loop).

What a worker tells others comes through here, so all that is told has one order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from kiwi_engine.channel.numbering import PRIMARY, Numbering
from kiwi_engine.errors import KiwiError
from kiwi_engine.server.network.peers.link import PeerLink
from kiwi_engine.server.network.peers.messages import OTHERS, Tell
from kiwi_engine.server.network.peers.methods import Method, Methods
from kiwi_engine.server.network.peers.peers import Watcher


class Hub:
    """`Peers` of the primary of `count` network processes."""

    is_primary = True

    def __init__(self, count: int) -> None:
        self.numbering = Numbering(PRIMARY, count)
        self._methods = Methods()
        # Of the workers that are there, by their numbers.
        self._links: dict[int, PeerLink] = {}
        self._watchers: list[tuple[Watcher, Watcher]] = []

    def register(self, name: str, method: Method) -> None:
        self._methods.register(name, method)

    def watch(self, joined: Watcher, left: Watcher) -> None:
        self._watchers.append((joined, left))

    def make_link(
        self, number: int, on_lost: Callable[[], None], first_frame: bytes = b""
    ) -> PeerLink:
        """The link to a worker that starts; it is used from now on, until it is lost.

        What is told at once, and by those who watch, comes right behind `first_frame`.
        """

        def lost() -> None:
            if self._links.get(number) is link:
                del self._links[number]
                for _, left in self._watchers:
                    left(number)
            on_lost()

        link = PeerLink(self._methods, lambda tell: self._pass_on(number, tell), lost, first_frame)
        self._links[number] = link
        for joined, _ in self._watchers:
            joined(number)
        return link

    def tell(self, method: str, parameters: Any, to: int = OTHERS) -> None:
        self._pass_on(PRIMARY, Tell(to, method, parameters))

    async def ask_primary(self, method: str, parameters: Any, patience_s: float) -> Any:
        raise AssertionError("this is the primary")

    async def ask_workers(self, method: str, parameters: Any) -> list[Any]:
        awaited = []
        for link in self._links.values():
            if link.is_silent:
                # It does what it is asked when it speaks again, in the order of what it is asked.
                link.ask_unheard(method, parameters)
            else:
                awaited.append(link.ask(method, parameters))
        answers = await asyncio.gather(*awaited, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, KiwiError):
                raise answer
        return [answer for answer in answers if not isinstance(answer, BaseException)]

    async def ask_worker(self, number: int, method: str, parameters: Any) -> Any:
        link = self._links.get(number)
        if link is None:
            raise KiwiError("this network process does not run")
        return await link.ask(method, parameters)

    def _pass_on(self, sender: int, tell: Tell) -> None:
        if tell.to in (PRIMARY, OTHERS) and sender != PRIMARY:
            self._methods.told(tell.method, tell.parameters)
        for number, link in self._links.items():
            if number != sender and tell.to in (number, OTHERS):
                link.tell(tell)
