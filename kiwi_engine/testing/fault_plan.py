"""What a test does to the operations of a `CrashFs`: count, record, fail (pure).

A watcher is asked before each operation that changes the disk. It may raise, return a `Fault` that
the operation is to end in, or return None.
"""

from __future__ import annotations

import errno
from typing import Final, NamedTuple, Protocol


class Operation(NamedTuple):
    """One call that changes the disk. Numbers begin at 1."""

    number: int
    kind: str
    path: str
    length: int = 0

    def __str__(self) -> str:
        name = self.path.rpartition("/")[2] or "/"
        return f"{self.kind} {name} {self.length}" if self.length else f"{self.kind} {name}"


class Fault(NamedTuple):
    """The operation raises `OSError(errno)`; a write leaves that share of its bytes behind."""

    errno: int
    share_written: float = 0.0


class Watcher(Protocol):
    """See the module's docstring."""

    def __call__(self, operation: Operation) -> Fault | None: ...


class PowerLossError(BaseException):
    """The machine is gone. Not an `Exception`: no handler of the code under test may survive it."""


FAULTS: Final = {
    "eio": Fault(errno.EIO),
    "enospc": Fault(errno.ENOSPC),
    "short-write": Fault(errno.ENOSPC, 0.5),
}


class FailAt:
    """The `number`-th operation fails with `fault`; with `lasting`, all later ones too.

    `kinds` limits which operations are counted and failed; empty means all.
    """

    def __init__(
        self,
        number: int,
        fault: Fault,
        *,
        lasting: bool = False,
        kinds: frozenset[str] = frozenset(),
    ) -> None:
        self._number = number
        self._fault = fault
        self._lasting = lasting
        self._kinds = kinds
        self._seen = 0
        self.fired = False

    def __call__(self, operation: Operation) -> Fault | None:
        if self._kinds and operation.kind not in self._kinds:
            return None
        self._seen += 1
        if self._seen == self._number or (self._lasting and self.fired):
            self.fired = True
            return self._fault
        return None


class LosePowerAt:
    """The power fails instead of the `number`-th operation."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __call__(self, operation: Operation) -> None:
        if operation.number >= self._number:
            raise PowerLossError(str(operation))


class Recorder:
    """Notes each operation, for golden tests of their order."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def __call__(self, operation: Operation) -> None:
        self.operations.append(operation)

    def lines(self) -> list[str]:
        """One readable line an operation."""
        return [str(operation) for operation in self.operations]
