"""The only module that reads clocks (shell).

Everything else receives the time, or calls these names, so that a test can replace them.
"""

from __future__ import annotations

import time

# Nanoseconds of a clock that never jumps; for durations and deadlines inside one process.
monotonic_ns = time.monotonic_ns
# Nanoseconds of the processor's fine clock; for measuring short spans.
perf_counter_ns = time.perf_counter_ns
# Seconds slept; releases the interpreter lock.
sleep = time.sleep


def wall_ms() -> int:
    """Milliseconds since the Unix epoch: the clock that expiry deadlines refer to."""
    return time.time_ns() // 1_000_000


def wall_us() -> int:
    """Microseconds since the Unix epoch, as `TIME` reports them."""
    return time.time_ns() // 1_000
