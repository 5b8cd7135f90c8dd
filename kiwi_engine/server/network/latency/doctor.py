"""What an operator should look at when something was slow (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.server.network.latency.monitor import LatencyMonitor

OFF: Final = (
    "Latency is not monitored. CONFIG SET latency-monitor-threshold <milliseconds> remembers "
    "what takes longer."
)
_ADVICE: Final = {
    "command": (
        "Commands were slow. SLOWLOG GET tells which, and whether they waited, ran or were synced."
    ),
    "fast-command": (
        "Commands that should be fast were not: the processes may have waited for the processor or "
        "the disk. Look at the load of the machine and at INFO backpressure."
    ),
    "wal-sync": (
        "Syncing the log was slow: the disk is the limit. Look at what else writes to it; INFO "
        "commitworker has the percentiles. appendfsync everysec trades durability for speed."
    ),
    "expire-cycle": (
        "Removing expired keys took long: many expired at once. Spread their times to live."
    ),
}


def report(monitor: LatencyMonitor) -> str:
    """A paragraph an event, with what to do about it."""
    if not monitor.threshold_ms:
        return OFF
    events = monitor.events()
    if not events:
        return f"Nothing took {monitor.threshold_ms} ms or longer."
    return "\n".join(_paragraph(monitor, event) for event in events)


def _paragraph(monitor: LatencyMonitor, event: str) -> str:
    samples = monitor.samples(event)
    mean = sum(sample.milliseconds for sample in samples) / len(samples)
    seconds = samples[-1].second - samples[0].second
    often = f", one in {seconds / (len(samples) - 1):.1f} s" if len(samples) > 1 else ""
    text = (
        f"{event}: {len(samples)} spikes{often}, {mean:.1f} ms on average, "
        f"worst {monitor.worst_ms(event)} ms."
    )
    return f"{text} {_ADVICE.get(event, '')}".rstrip()
