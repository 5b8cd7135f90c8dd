"""In which state each runtime is, since when, why, and what it was before (pure).

    starting ──▶ running ◀──▶ degraded     it lives, but does not do what it should
       │          │   ▲          │
       │          ▼   │          │
       └────────▶recovering ◀────┘         it died, and is started again

From each of them a runtime may become `stopped`, which is final. A state that stays may get another
reason. The time is passed in: of the monotonic clock for what is measured, of the wall clock for
what people read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

# "network" and "storage"; of several network processes the others are "network-1" and so on.
RuntimeName = str
State = Literal["starting", "running", "degraded", "recovering", "stopped"]

HISTORY_MAX: Final = 16

_FOLLOWING: Final[Mapping[State, frozenset[State]]] = {
    "starting": frozenset({"running", "recovering", "stopped"}),
    "running": frozenset({"degraded", "recovering", "stopped"}),
    "degraded": frozenset({"running", "recovering", "stopped"}),
    "recovering": frozenset({"running", "stopped"}),
    "stopped": frozenset(),
}


class Standing(NamedTuple):
    """`since_ns` is when the state was entered; `why` may have changed later, and may be empty."""

    state: State
    why: str
    since_ns: int


class Change(NamedTuple):
    """One line of the history; `at_ms` is of the wall clock."""

    at_ms: int
    runtime: RuntimeName
    state: State
    why: str

    @property
    def text(self) -> str:
        """For people: "2026-11-22T03:12:45.156+00:00 storage degraded: busy"."""
        at = datetime.fromtimestamp(self.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        told = f"{at} {self.runtime} {self.state}"
        return f"{told}: {self.why}" if self.why else told


class RuntimeStates:
    """The runtimes of one server, and the last `HISTORY_MAX` changes of any, oldest first."""

    def __init__(
        self, now_ns: int, runtimes: Iterable[RuntimeName] = ("network", "storage")
    ) -> None:
        self._standings = {name: Standing("starting", "", now_ns) for name in runtimes}
        self.history: deque[Change] = deque(maxlen=HISTORY_MAX)

    def of(self, runtime: RuntimeName) -> Standing:
        return self._standings[runtime]

    def change(
        self, runtime: RuntimeName, state: State, why: str, now_ns: int, wall_ms: int
    ) -> bool:
        """Note a state, or another reason for the same one; False if both are as they were."""
        before = self._standings[runtime]
        if (state, why) == (before.state, before.why):
            return False
        is_other = state != before.state
        assert not is_other or state in _FOLLOWING[before.state], (
            f"{runtime}: {before.state} -> {state}"
        )
        self._standings[runtime] = Standing(state, why, now_ns if is_other else before.since_ns)
        self.history.append(Change(wall_ms, runtime, state, why))
        return True
