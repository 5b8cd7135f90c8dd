"""Settings of the two runtimes as processes (pure)."""

from __future__ import annotations

from typing import Annotated, get_args

from kiwi_engine.config.channel_settings import ChannelSettings
from kiwi_engine.config.kinds import Choice
from kiwi_engine.config.rows import RUNTIME, Row, RuntimeMode


class LifecycleSettings(ChannelSettings, frozen=True, kw_only=True):
    """How many there are, and how their health is watched."""

    runtime_mode: Annotated[
        RuntimeMode,
        Row(
            RUNTIME,
            Choice(get_args(RuntimeMode)),
            "dual: the storage runtime is a process of its own. single: everything in one process.",
        ),
    ] = "dual"
