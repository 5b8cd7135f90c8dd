"""One fault on a real server: where, how large, and what was seen of it (glue)."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Final, Literal, Self, TypeVar

from tests.support.client import Client
from tests.support.latencies import Latency, as_if_steady, of_kind, percentile_ms
from tests.support.memory_peak import MemoryPeak
from tests.support.probes import PROBE_PAUSE_S
from tests.support.servers import ServerProcess, kiwi

MB: Final = 1 << 20
Size = Literal["small", "full"]
Number = TypeVar("Number", int, float)
# Descriptors of the script, and of the server, that are no connections of a fault.
_DESCRIPTORS_BESIDE: Final = 1500


class SkippedError(Exception):
    """The fault cannot be made on this machine; the text says why."""


class Trial:
    """What a fault is given, and where it says what it saw.

    `figures` are printed; `violations` are promises that were not kept. Times are reported with
    their goal, and are a violation only far beyond it: a busy machine breaks no promise.
    """

    def __init__(self, directory: Path, size: Size, seed: str) -> None:
        self.directory = directory
        self.size = size
        self.seed = seed
        self.random = Random(seed)
        self.figures: list[str] = []
        self.violations: list[str] = []
        self._servers: list[ServerProcess] = []

    def scaled(self, small: Number, full: Number) -> Number:
        """A number that depends on the size of the run."""
        return full if self.size == "full" else small

    def start(self, settings: Mapping[str, str | int] = MappingProxyType({})) -> ServerProcess:
        """A server that ends with the trial."""
        server = kiwi(self.directory / f"data-{len(self._servers)}", settings)
        self._servers.append(server)
        server.start()
        return server

    def expect(self, holds: object, otherwise: str) -> None:
        """A violation unless `holds`."""
        if not holds:
            self.violations.append(otherwise)

    def report_time(self, what: str, value_ms: float, *, goal_ms: float, bound_ms: float) -> None:
        """A time with its goal; a violation beyond `bound_ms`."""
        verdict = "met" if value_ms <= goal_ms else "missed"
        self.figures.append(f"{what} {value_ms:.1f} ms (goal {goal_ms:g} ms: {verdict})")
        self.expect(value_ms <= bound_ms, f"{what} took {value_ms:.1f} ms, over {bound_ms:g} ms")

    def report_probes(
        self, latencies: Iterable[Latency], kind: str, *, goal_ms: float, bound_ms: float
    ) -> None:
        """The 99th percentile of those who asked every two milliseconds."""
        found = of_kind(list(latencies), kind)
        self.expect(found, f"no {kind} was answered")
        steady = as_if_steady(found, int(PROBE_PAUSE_S * 1e9))
        p99_ms = percentile_ms(steady, 99)
        self.report_time(f"{kind} p99", p99_ms, goal_ms=goal_ms, bound_ms=bound_ms)

    def report_memory(self, peak: MemoryPeak, bounds: Mapping[str, int]) -> None:
        """How much each process grew; a violation beyond its bound."""
        growth = peak.growth()
        shown = (f"{name} {peak.before[name] // MB} + {growth[name] // MB} MiB" for name in bounds)
        self.figures.append("memory " + ", ".join(shown))
        for name, bound in bounds.items():
            self.expect(
                growth[name] <= bound,
                f"the {name} process grew by {growth[name] // MB} MiB, over {bound // MB} MiB",
            )

    def close(self) -> None:
        """No process is left."""
        for server in self._servers:
            server.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


# Makes its fault on a server of the trial; `SkippedError` where it cannot be made.
Fault = Callable[[Trial], None]


def storage_process_id(client: Client) -> int:
    """0 while there is none."""
    return int(client.info("server").get("storage_process_id") or 0)


def memory_peak(server: ServerProcess) -> MemoryPeak:
    """Of both processes of a server, from now on."""
    with server.client() as client:
        return MemoryPeak({"network": server.pid, "storage": storage_process_id(client)})


@contextmanager
def stopped_process(process_id: int) -> Iterator[None]:
    """SIGSTOP while the block runs."""
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)


def allow_descriptors(connections: int) -> None:
    """Raise the soft limit, which servers inherit, for so many connections; `SkippedError`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _DESCRIPTORS_BESIDE
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SkippedError(f"{wanted} file descriptors are needed, the hard limit is {hard}")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
