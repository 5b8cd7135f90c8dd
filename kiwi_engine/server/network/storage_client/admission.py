"""Which runs the circuit breaker lets through (pure)."""

from __future__ import annotations

from kiwi_engine.channel.circuit_breaker import CircuitBreaker
from kiwi_engine.server.network.slots import Slot


class Admission:
    """To be asked while the breaker is not closed. It knows which run is the probe."""

    __slots__ = ("_breaker", "_probe")

    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker
        # The run by which a half-open breaker sees whether the storage runtime is back.
        self._probe: Slot | None = None

    def admits(self, slot: Slot, now_ns: int) -> bool:
        """Whether a run is sent; otherwise it is to be refused.

        A connection that is owed an earlier reply could not be told anyway: it waits on, and its
        credits bound what it may send meanwhile.
        """
        if slot.line.runs_owed:
            return True
        if self._breaker.admits(now_ns):
            self._probe = slot
            return True
        return False

    def timed_out(self, slot: Slot, now_ns: int) -> None:
        """A run is past its deadline."""
        is_probe = slot is self._probe
        if is_probe:
            self._probe = None
        self._breaker.timed_out(now_ns, is_probe=is_probe)
