"""How long short commands take, seen by a process that does nothing else (shell: threads)."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any, Final

import msgspec

from kiwi_engine.clock import monotonic_ns, sleep
from tests.support.client import Client
from tests.support.latencies import Latency

PROBED: Final = "probed"
PROBE_PAUSE_S: Final = 0.002
_START_TIMEOUT_S: Final = 60.0


class Probe(msgspec.Struct, frozen=True):
    """A command that is sent again and again, and its only right answer."""

    kind: str
    words: tuple[str, ...]
    expected: bytes


PING: Final = Probe("ping", ("PING",), b"PONG")
# The key is to be set before: `set_probed`.
READ: Final = Probe("read", ("GET", PROBED), b"v")


def set_probed(client: Client) -> None:
    """Make the key that `READ` asks for."""
    assert client.command("SET", PROBED, "v") == b"OK"


class Probes:
    """Each probe on a connection of its own, two milliseconds behind the last answer."""

    def __init__(self, port: int, probes: Sequence[Probe] = (PING, READ)) -> None:
        context = get_context("spawn")
        self._ready, self._stopping = context.Event(), context.Event()
        self._results: Any = context.Queue()
        arguments = (port, tuple(probes), self._ready, self._stopping, self._results)
        self._process = context.Process(target=_probe_all, args=arguments, daemon=True)

    def start(self) -> None:
        """Returns when every probe is at work."""
        self._process.start()
        assert self._ready.wait(_START_TIMEOUT_S), "the probes did not start"

    def stop(self) -> list[Latency]:
        """All latencies; an error of the probes as `AssertionError`."""
        self._stopping.set()
        rows, errors = self._results.get(timeout=60)
        self._process.join()
        assert not errors, f"a probe failed: {errors[0]}"
        return [Latency(*row) for row in rows]


def _probe_all(port: int, probes: Sequence[Probe], ready: Any, stopping: Any, results: Any) -> None:
    rows: list[tuple[int, str, int]] = []
    errors: list[str] = []
    with ThreadPoolExecutor(len(probes)) as threads:
        for probe in probes:
            threads.submit(_probe, port, probe, stopping, rows, errors)
        ready.set()
    results.put((rows, errors))


def _probe(
    port: int, probe: Probe, stopping: Any, rows: list[tuple[int, str, int]], errors: list[str]
) -> None:
    """Until it is told to stop, or gets something else than it should."""
    try:
        with Client(port) as client:
            while not stopping.is_set():
                started_ns = monotonic_ns()
                reply = client.command(*probe.words)
                ended_ns = monotonic_ns()
                assert reply == probe.expected, f"{probe.kind}: {reply!r}"
                rows.append((ended_ns, probe.kind, ended_ns - started_ns))
                sleep(PROBE_PAUSE_S)
    except (OSError, AssertionError) as error:
        errors.append(f"{type(error).__name__}: {error}")
