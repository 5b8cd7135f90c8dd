"""Settings of what is remembered about slow commands (pure)."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from kiwi_engine.config.kinds import Choice, Integer, Percentages
from kiwi_engine.config.rows import INT_MAX, LATENCY, Row
from kiwi_engine.config.type_settings import TypeSettings

YesNo = Literal["yes", "no"]


class LatencySettings(TypeSettings, frozen=True, kw_only=True):
    """The section of SLOWLOG and LATENCY."""

    # --- Latency ---
    slowlog_log_slower_than: Annotated[
        int,
        Row(
            LATENCY,
            Integer(-1, INT_MAX, "microseconds"),
            "Commands that run longer are kept for SLOWLOG GET. 0: all, -1: none. Below 1000 the "
            "clock is read for each command, which costs some percent.",
            runtime=True,
            redis=True,
        ),
    ] = 10_000
    slowlog_max_len: Annotated[
        int,
        Row(
            LATENCY,
            Integer(0, INT_MAX, "commands"),
            "How many commands SLOWLOG GET remembers.",
            runtime=True,
            redis=True,
        ),
    ] = 128
    latency_monitor_threshold: Annotated[
        int,
        Row(
            LATENCY,
            Integer(0, INT_MAX, "milliseconds"),
            "What takes as long is remembered for LATENCY LATEST and HISTORY: commands, syncs of "
            "the log, cycles of expiry. 0: nothing is.",
            runtime=True,
            redis=True,
        ),
    ] = 0
    latency_tracking: Annotated[
        YesNo,
        Row(
            LATENCY,
            Choice(get_args(YesNo)),
            "Whether INFO latencystats and LATENCY HISTOGRAM tell the times of commands.",
            runtime=True,
            redis=True,
        ),
    ] = "yes"
    latency_tracking_info_percentiles: Annotated[
        tuple[float, ...],
        Row(
            LATENCY,
            Percentages(),
            "The percentiles that INFO latencystats tells.",
            runtime=True,
            redis=True,
        ),
    ] = (50.0, 99.0, 99.9)
