"""What the network runtime may ask of whoever starts, watches and stops both (pure interface)."""

from __future__ import annotations

from typing import Any, Protocol


class LifecycleView(Protocol):
    """Called on the network runtime's event loop; never waits."""

    def facts(self) -> dict[str, Any]:
        """The `runtime` section of INFO."""

    def worker_process_ids(self) -> list[int]:
        """Of the network processes beside this one, as far as they are there."""

    def storage_problem(self) -> str:
        """Why the storage runtime does not answer at present; empty while it does."""

    def reset_statistics(self) -> None:
        """Begin to count anew what is counted."""


class Unwatched:
    """A `LifecycleView` for a network runtime that nobody watches."""

    def facts(self) -> dict[str, Any]:
        return {}

    def worker_process_ids(self) -> list[int]:
        return []

    def storage_problem(self) -> str:
        return ""

    def reset_statistics(self) -> None:
        """Nothing is counted."""
