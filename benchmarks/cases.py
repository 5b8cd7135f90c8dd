"""What is measured, how redis-benchmark is asked to, and what its answer says (pure)."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Final

KEYS: Final = 100_000
PRELOAD_VALUE_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table. `goal`: the least ratio to the better of the other servers.

    `test` is one of redis-benchmark's own, or there is a `command`, in which `__rand_int__` stands
    for the number of a random key.
    """

    name: str
    test: str
    requests: int
    clients: int
    pipeline: int
    value_bytes: int
    goal: float
    command: tuple[str, ...] = ()

    def arguments(self, port: int, scale: float) -> list[str]:
        """The words after `redis-benchmark`; `scale` shortens a run."""
        requests = max(int(self.requests * scale), self.clients * self.pipeline)
        words = (
            f"-h 127.0.0.1 -p {port} -n {requests} -c {self.clients} "
            f"-P {self.pipeline} -d {self.value_bytes} -r {KEYS} --csv"
        ).split()
        return [*words, *self.command] if self.command else [*words, "-t", self.test]


# Four writes of one script.
_SCRIPT: Final = "for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[1]) end return #KEYS"


CASES: Final = (
    Case("SET 64 B, 50 clients", "set", 150_000, 50, 1, 64, 0.8),
    Case("SET 64 B, 50 clients, P=16", "set", 800_000, 50, 16, 64, 0.8),
    Case("SET 64 B, 50 clients, P=100", "set", 1_200_000, 50, 100, 64, 0.8),
    Case("SET 64 B, 500 clients", "set", 200_000, 500, 1, 64, 1.0),
    Case("SET 16 KiB, 50 clients", "set", 30_000, 50, 1, 16_384, 1.0),
    Case("GET 64 B, 50 clients", "get", 200_000, 50, 1, 64, 0.8),
    Case("GET 64 B, 50 clients, P=16", "get", 1_500_000, 50, 16, 64, 0.4),
    Case(
        "script of 4 SETs, 32 clients",
        "",
        60_000,
        32,
        1,
        64,
        0.3,
        ("EVAL", _SCRIPT, "4", *(f"key:{part}:__rand_int__" for part in "abcd"), "x" * 64),
    ),
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run: requests per second, and the latencies that redis-benchmark saw."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float


def parse_output(output: str) -> Measurement:
    """The one data line of `redis-benchmark --csv`; `ValueError` if there is none."""
    rows = list(csv.DictReader(io.StringIO(output)))
    if len(rows) != 1 or "rps" not in rows[0]:
        raise ValueError(f"not the output of one redis-benchmark test: {output!r:.500}")
    row = rows[0]
    return Measurement(
        requests_per_second=float(row["rps"]),
        p50_ms=float(row["p50_latency_ms"]),
        p99_ms=float(row["p99_latency_ms"]),
    )
