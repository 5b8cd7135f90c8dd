"""What passed through the channel (pure); the network runtime's event loop owns it."""

from __future__ import annotations


class ChannelStatistics:
    """Requests are commands; a frame carries those of one event-loop tick."""

    __slots__ = (
        "backpressure_events",
        "bytes_peak",
        "failures",
        "frames",
        "received",
        "requests_peak",
        "timeouts",
    )

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.frames = 0
        self.received = 0
        self.requests_peak = 0
        self.bytes_peak = 0
        # How often a connection was told to stop reading because the channel was full.
        self.backpressure_events = 0
        self.timeouts = 0
        # Runs that were under way when a storage runtime stopped.
        self.failures = 0

    def sent(self, requests: int, size: int) -> None:
        """A frame left; `requests` and `size` are all that is unanswered now."""
        self.frames += 1
        self.requests_peak = max(self.requests_peak, requests)
        self.bytes_peak = max(self.bytes_peak, size)
