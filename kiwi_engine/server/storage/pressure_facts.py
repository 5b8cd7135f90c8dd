"""The `backpressure` section of INFO: why writes are slow, and since when (pure reads)."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from kiwi_engine.engine.pressure import Transition

if TYPE_CHECKING:
    from kiwi_engine.server.storage.runtime import StorageRuntime

_HISTORY_SHOWN_MAX: Final = 8


def backpressure_facts(runtime: StorageRuntime) -> dict[str, Any]:
    """State and reason first, then what waits, each measure beside its limits, the last changes."""
    pressure, runs = runtime.engine.pressure, runtime.runs
    state, deferred = pressure.state, runs.deferred
    recent = islice(reversed(pressure.history), _HISTORY_SHOWN_MAX)
    return {
        "state": state.name,
        "reason": state.why,
        "rate_bytes_per_sec": round(state.rate) if state.name == "slow" else 0,
        "written_bytes": pressure.bytes_written,
        "deferred_connections": len(deferred),
        "deferred_commands": deferred.commands,
        "deferred_commands_peak": deferred.commands_peak,
        "deferred_commands_total": deferred.commands_total,
        "refused_commands": runs.refused,
        "transitions": pressure.transitions,
        "slow_ms": pressure.time_ns("slow") // 1_000_000,
        "stop_ms": pressure.time_ns("stop") // 1_000_000,
        **{f"measure_{measure.name}": measure.text for measure in pressure.measured()},
        **{f"history_{number}": _told(each) for number, each in enumerate(recent, start=1)},
    }


def _told(transition: Transition) -> str:
    at = datetime.fromtimestamp(transition.at_ms / 1000, UTC)
    told = f"{at.isoformat(timespec='milliseconds')} {transition.state.name}"
    return f"{told}: {transition.state.why}" if transition.state.why else told
