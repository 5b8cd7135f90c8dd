"""The `channel` section of INFO (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kiwi_engine.server.network.storage_client.client import StorageClient


def channel_facts(client: StorageClient) -> dict[str, Any]:
    """What waits and is under way now, and what has passed since the statistics were reset."""
    owed, breaker, statistics = client.credits, client.breaker, client.statistics
    passed = statistics.facts()
    passed["backpressure_ms"] += owed.held_back_ns() // 1_000_000
    return {
        "connected": int(client.is_connected),
        "pending_requests": owed.requests,
        "pending_bytes": owed.bytes,
        "capacity_requests": owed.requests_max,
        "capacity_bytes": owed.bytes_max,
        "free_requests": max(0, owed.requests_max - owed.requests),
        "free_bytes": max(0, owed.bytes_max - owed.bytes),
        "queued_runs": client.outbox.waiting_runs(),
        "sent_runs": len(client.in_flight.pending),
        "blocked_runs": len(client.in_flight.blocked),
        "connections_held_back": owed.held_back,
        **passed,
        "breaker_state": breaker.state.value,
        "breaker_opened": breaker.opened_count,
        "breaker_reason": breaker.reason,
        "breaker_refused": statistics.refused,
    }
