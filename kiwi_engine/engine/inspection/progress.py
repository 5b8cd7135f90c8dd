"""How an inspection tells how far it is (pure: types only, and one that tells nobody)."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told by the inspecting thread; must be cheap, it is called for every record."""

    def start(self, name: str, total: int) -> None:
        """A new phase begins; `total` units (bytes or entries) lie ahead."""
        ...

    def reach(self, done: int) -> None:
        """`done` units of the phase are behind."""
        ...


class Silent:
    """Shows nothing."""

    def start(self, name: str, total: int) -> None:
        """Nobody looks."""

    def reach(self, done: int) -> None:
        """Nobody looks."""
