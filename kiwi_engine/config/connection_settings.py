"""Settings of connections and of the server as a whole (pure)."""

from __future__ import annotations

from typing import Annotated, get_args

from kiwi_engine.config.kinds import Choice, Integer, Size, Text
from kiwi_engine.config.output_limits import OutputLimits, OutputLimitsKind
from kiwi_engine.config.rows import (
    GB,
    INT_MAX,
    KB,
    MB,
    NETWORK,
    SERVER,
    DebugAccess,
    LogLevel,
    Row,
)
from kiwi_engine.config.transport_settings import TransportSettings


class ConnectionSettings(TransportSettings, frozen=True, kw_only=True):
    """The first sections of `Settings`."""

    # --- Network ---
    timeout: Annotated[
        int,
        Row(
            NETWORK,
            Integer(0, INT_MAX, "seconds"),
            "Idle seconds after which a client is disconnected; 0: never.",
            runtime=True,
            redis=True,
        ),
    ] = 0
    maxclients: Annotated[
        int,
        Row(
            NETWORK,
            Integer(1, 2**32 - 1),
            "Connections served at a time; one more is told so and closed.",
            runtime=True,
            redis=True,
        ),
    ] = 10_000
    requirepass: Annotated[
        str,
        Row(
            NETWORK,
            Text(),
            "Password that clients must give with AUTH or HELLO; empty: none is asked for.",
            runtime=True,
            redis=True,
        ),
    ] = ""
    proto_max_bulk_len: Annotated[
        int,
        Row(
            NETWORK,
            Size(KB, GB - MB),
            "Longest single string in a request, and longest value that a command may build.",
            runtime=True,
            redis=True,
        ),
    ] = 512 * MB
    client_query_buffer_limit: Annotated[
        int,
        Row(
            NETWORK,
            Size(KB, GB),
            "Memory that a client's unfinished command, or the commands that its transaction has "
            "queued, may take before it is disconnected.",
            runtime=True,
            redis=True,
        ),
    ] = GB
    client_output_buffer_limit: Annotated[
        OutputLimits,
        Row(
            NETWORK,
            OutputLimitsKind(),
            "Output that may wait for a client before it is disconnected: at once at the hard "
            "limit, after the seconds above the soft one; 0: no limit.",
            runtime=True,
            redis=True,
        ),
    ] = OutputLimits()

    tracking_table_max_keys: Annotated[
        int,
        Row(
            NETWORK,
            Integer(0, 2**63 - 1, "keys"),
            "Keys that are remembered as read by clients which cache them (CLIENT TRACKING); "
            "whoever has read one more than that is told as if it had changed. 0: no limit.",
            runtime=True,
            redis=True,
        ),
    ] = 1_000_000

    # --- Server ---
    dir: Annotated[
        str,
        Row(
            SERVER,
            Text(must_be_given=True),
            "Data directory; created if missing, owned by one server at a time.",
            redis=True,
        ),
    ] = "kiwi-data"
    databases: Annotated[
        int, Row(SERVER, Integer(1, 1024), "Databases that SELECT can choose from.", redis=True)
    ] = 16
    loglevel: Annotated[
        LogLevel,
        Row(
            SERVER,
            Choice(get_args(LogLevel)),
            "How much is logged.",
            runtime=True,
            redis=True,
        ),
    ] = "notice"
    logfile: Annotated[
        str, Row(SERVER, Text(), "File to log to; empty: standard error.", redis=True)
    ] = ""
    hz: Annotated[
        int,
        Row(
            SERVER,
            Integer(1, 500, "per second"),
            "Cycles in which expired keys are looked for.",
            runtime=True,
            redis=True,
        ),
    ] = 10
    enable_debug_command: Annotated[
        DebugAccess,
        Row(
            SERVER,
            Choice(get_args(DebugAccess)),
            "Who may use DEBUG; local: only clients of this machine.",
            redis=True,
        ),
    ] = "no"
