"""Settings of the channel between the two runtimes (pure)."""

from __future__ import annotations

from typing import Annotated

from kiwi_engine.config.kinds import Duration, Integer, Size
from kiwi_engine.config.latency_settings import LatencySettings
from kiwi_engine.config.rows import GB, HOUR_MS, MB, RUNTIME, Row


class ChannelSettings(LatencySettings, frozen=True, kw_only=True):
    """What may be under way, and for how long."""

    # --- Processes, memory and limits ---
    channel_buffer_size: Annotated[
        int,
        Row(
            RUNTIME,
            Integer(1, 10_000_000, "commands"),
            "Commands that may be under way to the storage runtime before clients are held back.",
        ),
    ] = 65_536
    channel_buffer_bytes: Annotated[
        int,
        Row(
            RUNTIME,
            Size(1, 64 * GB),
            "Bytes that may be under way to the storage runtime before clients are held back.",
        ),
    ] = 64 * MB
    request_timeout: Annotated[
        int,
        Row(
            RUNTIME,
            Duration(1, 24 * HOUR_MS, "ms"),
            "Time after which a request that storage has not answered gets an error.",
            runtime=True,
        ),
    ] = 30_000
