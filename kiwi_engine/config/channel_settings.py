"""Settings of the channel between the two runtimes (pure)."""

from __future__ import annotations

from typing import Annotated

from kiwi_engine.config.kinds import Duration, Integer, Size
from kiwi_engine.config.latency_settings import LatencySettings
from kiwi_engine.config.rows import CHANNEL, GB, HOUR_MS, KB, MB, Row


class ChannelSettings(LatencySettings, frozen=True, kw_only=True):
    """What may be under way, and for how long."""

    # --- Channel between the processes ---
    channel_buffer_size: Annotated[
        int,
        Row(
            CHANNEL,
            Integer(1, 10_000_000, "commands"),
            "Commands that may be under way to the storage runtime before clients are held back.",
            runtime=True,
        ),
    ] = 65_536
    channel_buffer_bytes: Annotated[
        int,
        Row(
            CHANNEL,
            Size(1, 64 * GB),
            "Bytes that may be under way to the storage runtime before clients are held back.",
            runtime=True,
        ),
    ] = 64 * MB
    channel_reply_bytes: Annotated[
        int,
        Row(
            CHANNEL,
            Size(1, GB),
            "Bytes of replies to one piece of a client's pipeline, beyond which the rest of it is "
            "executed when the client has read them.",
            runtime=True,
        ),
    ] = 256 * KB
    request_timeout: Annotated[
        int,
        Row(
            CHANNEL,
            Duration(1, 24 * HOUR_MS, "ms"),
            "Time after which a request that storage has not answered gets an error.",
            runtime=True,
        ),
    ] = 30_000
    read_retries_max: Annotated[
        int,
        Row(
            CHANNEL,
            Integer(0, 1000),
            "How often a read is asked again that was under way when the storage runtime died.",
            runtime=True,
        ),
    ] = 5
    retry_backoff: Annotated[
        int,
        Row(
            CHANNEL,
            Duration(0, 2000, "ms"),
            "Pause before a read is asked again for the first time; it doubles with each further "
            "death that the read sees, up to two seconds.",
            runtime=True,
        ),
    ] = 10
    breaker_failures: Annotated[
        int,
        Row(
            CHANNEL,
            Integer(1, 1_000_000),
            "Runs of requests in a row that storage lets run into `request-timeout`, before others "
            "are refused at once, see [channel](channel.md#the-circuit-breaker).",
            runtime=True,
        ),
    ] = 5
    breaker_reset_timeout: Annotated[
        int,
        Row(
            CHANNEL,
            Duration(1, HOUR_MS, "ms"),
            "Time after which a request is let through again, to see whether storage is back.",
            runtime=True,
        ),
    ] = 1000
