"""What each network process contributes to INFO, MEMORY STATS and LATENCY HISTOGRAM (glue).

The primary asks all of them: numbers are added up, of some the greatest counts, and what several
may have is counted once. A process that does not answer in time is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any, Final, TypeVar

import msgspec

from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.channel_totals import channel_totals

# The question of the primary.
QUERY: Final = "contribution"
_HANDSHAKES: Final = "tls_handshakes"

_Number = TypeVar("_Number", int, float)
_Value = TypeVar("_Value")


class Contribution(msgspec.Struct):
    """Names are those of INFO's fields.

    `rates` are numbers a second, `prefixes` those that clients track (BCAST), `client_bytes` what
    is held for clients. `commands` and `latency_counts` are by the names of commands, `errors` by
    their first words.
    """

    sums: dict[str, int]
    maxima: dict[str, int]
    rates: dict[str, float]
    prefixes: set[bytes]
    client_bytes: int
    commands: dict[str, dict[str, int]]
    errors: dict[str, int]
    latency_counts: dict[str, list[int]]
    channel: dict[str, Any]
    channel_times: dict[str, list[int]]
    handshakes: dict[str, int]


def contribution(facade: ServerFacade) -> Contribution:
    """That of this process."""
    statistics = facade.statistics
    sections = facade.network_sections()
    buffers = [facade.buffers(session) for session in facade.sessions()]
    commands, input_bytes, output_bytes = statistics.rates()
    return Contribution(
        sums=_sums(facade),
        maxima={
            "client_recent_max_input_buffer": max((each[0] for each in buffers), default=0),
            "client_recent_max_output_buffer": max((each[1] for each in buffers), default=0),
        },
        rates={"commands": commands, "input_bytes": input_bytes, "output_bytes": output_bytes},
        prefixes=set(facade.tracking.prefixes.names()),
        client_bytes=sum(map(sum, buffers)),
        commands={name: counters.facts() for name, counters in statistics.commands.items()},
        errors=dict(statistics.errors),
        latency_counts=statistics.latency_counts(),
        channel=sections["channel"],
        channel_times=facade.channel_times(),
        handshakes={
            name: value
            for name, value in sections.get("tls", {}).items()
            if name.startswith(_HANDSHAKES)
        },
    )


def _sums(facade: ServerFacade) -> dict[str, int]:
    statistics, sessions = facade.statistics, list(facade.sessions())
    return {
        "connected_clients": len(sessions),
        "blocked_clients": sum(session.is_blocked for session in sessions),
        "tracking_clients": len(facade.tracking),
        "pubsub_clients": facade.broker.registry.subscribers_count,
        "total_connections_received": statistics.connections_received,
        "total_commands_processed": statistics.commands_processed,
        "total_net_input_bytes": statistics.input_bytes,
        "total_net_output_bytes": statistics.output_bytes,
        "rejected_connections": statistics.connections_rejected,
        "client_query_buffer_limit_disconnections": statistics.query_limit_disconnections,
        "client_output_buffer_limit_disconnections": statistics.output_limit_disconnections,
        "protocol_errors": statistics.protocol_errors,
    }


class Contributions:
    """Those of all network processes that have answered, and what they make together."""

    def __init__(self, parts: list[Contribution]) -> None:
        self.parts = parts
        self.sums = _added(each.sums for each in parts)
        self.rates = _added(each.rates for each in parts)
        self.handshakes = _added(each.handshakes for each in parts)
        self.maxima = _joined(max, (each.maxima for each in parts))
        self.prefixes = set().union(*(each.prefixes for each in parts))
        self.client_bytes = sum(each.client_bytes for each in parts)
        self.latency_counts = _joined(_added_counts, (each.latency_counts for each in parts))
        self.channel = channel_totals([(each.channel, each.channel_times) for each in parts])


async def contributions(facade: ServerFacade) -> Contributions:
    """In the primary: those of all network processes, its own first."""
    others = await facade.peers.ask_workers(QUERY, None)
    told = [msgspec.convert(each, Contribution) for each in others]
    return Contributions([contribution(facade), *told])


def _added(parts: Iterable[Mapping[str, _Number]]) -> dict[str, _Number]:
    return _joined(lambda left, right: left + right, parts)


def _added_counts(left: list[int], right: list[int]) -> list[int]:
    return [one + other for one, other in zip(left, right, strict=True)]


def _joined(
    join: Callable[[_Value, _Value], _Value], parts: Iterable[Mapping[str, _Value]]
) -> dict[str, _Value]:
    """By their names, what `join` makes of the values that parts have."""
    found: dict[str, list[_Value]] = {}
    for part in parts:
        for name, value in part.items():
            found.setdefault(name, []).append(value)
    return {name: reduce(join, values) for name, values in found.items()}
