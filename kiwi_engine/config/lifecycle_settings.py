"""Settings of the two runtimes as processes (pure)."""

from __future__ import annotations

from typing import Annotated, get_args

from kiwi_engine.config.channel_settings import ChannelSettings
from kiwi_engine.config.kinds import Choice, Duration, Integer, YesNo
from kiwi_engine.config.rows import HOUR_MS, LIFECYCLE, Row, RuntimeMode


class LifecycleSettings(ChannelSettings, frozen=True, kw_only=True):
    """How many there are, and how their health is watched."""

    runtime_mode: Annotated[
        RuntimeMode,
        Row(
            LIFECYCLE,
            Choice(get_args(RuntimeMode)),
            "dual: the storage runtime is a process of its own. single: everything in one process.",
        ),
    ] = "dual"
    network_threads: Annotated[
        int,
        Row(
            LIFECYCLE,
            Integer(1, 64, "processes"),
            "Network processes that share the addresses; more than one needs runtime-mode dual.",
        ),
    ] = 1
    runtime_health_interval: Annotated[
        int,
        Row(
            LIFECYCLE,
            Duration(10, 60_000, "ms"),
            "How often the storage runtime is asked whether it is there; if its answer takes "
            "longer than this it counts as degraded.",
            runtime=True,
        ),
    ] = 1000
    storage_hang_timeout: Annotated[
        int,
        Row(
            LIFECYCLE,
            Duration(0, 24 * HOUR_MS, "ms"),
            "Time without an answer after which the storage process is killed and started again; "
            "0: never. A long command or a slow disk is silent, too.",
            runtime=True,
        ),
    ] = 0
    network_hang_timeout: Annotated[
        int,
        Row(
            LIFECYCLE,
            Duration(0, 24 * HOUR_MS, "ms"),
            "Time without an answer after which one of several network processes is killed and "
            "started again, but for that of the supervisor; 0: never.",
            runtime=True,
        ),
    ] = 10_000
    storage_spare: Annotated[
        bool,
        Row(
            LIFECYCLE,
            YesNo(),
            "Keep a second storage process in reserve, with its code loaded and nothing opened "
            "(about 40 MB): one that dies is then replaced in half the time.",
            runtime=True,
        ),
    ] = True
    storage_restart_limit: Annotated[
        int,
        Row(
            LIFECYCLE,
            Integer(0, 1_000_000, "restarts"),
            "Restarts of the storage process within storage-restart-window; when it is to be "
            "started once more, the server stops with exit code 1.",
            runtime=True,
        ),
    ] = 50
    storage_restart_window: Annotated[
        int,
        Row(
            LIFECYCLE,
            Duration(1, 24 * HOUR_MS, "ms"),
            "The time in which storage-restart-limit restarts are allowed.",
            runtime=True,
        ),
    ] = 600_000
