"""The storage process is too slow: its disk takes long, or it does not answer at all (glue)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

import msgspec

from kiwi_engine.clock import monotonic_ns, sleep
from tests.support.client import Client, ErrorReply, encode
from tests.support.latencies import Latency
from tests.support.probes import PROBED, Probes, set_probed
from tests.support.runtime_faults.trial import (
    SkippedError,
    Trial,
    stopped_process,
    storage_process_id,
)
from tests.support.servers import wait_until
from tests.support.strace import attached, why_not

_SYNC_MS: Final = 200
_REQUEST_TIMEOUT_MS: Final = 300
_CONNECTIONS: Final = 8
# How much later than its deadline a request may be answered on a busy machine.
_LATE_MS: Final = 2000
_PAUSE_S: Final = 0.01
# What says that a request was not carried out, and what leaves it open (docs/channel.md).
_DENIED: Final = frozenset({"TIMEOUT", "LOADING"})
_UNKNOWN: Final = "UNKNOWN"


def slow_sync(trial: Trial) -> None:
    """Each `fdatasync` of the storage process takes 200 ms longer (injected by strace).

    PING does not notice. A read waits for the sync under way, because no reply may show what a
    crash could take back; with no write under way it waits for nothing.
    """
    if why_not():
        raise SkippedError(why_not())
    server = trial.start({"drain-interval": 3_600_000})
    fault = ["-e", "trace=fdatasync", "-e", f"inject=fdatasync:delay_exit={_SYNC_MS * 1000}"]
    writes = trial.scaled(5, 100)
    with server.client() as client:
        set_probed(client)
        with attached(storage_process_id(client), fault, trial.directory / "trace"):
            alone = _probe_while(server.port, lambda: sleep(writes * _SYNC_MS / 2000))
            started_ns = monotonic_ns()
            beside = _probe_while(server.port, lambda: _write(trial, client, writes))
            write_ms = (monotonic_ns() - started_ns) / 1e6 / writes
    trial.expect(write_ms >= _SYNC_MS, f"a write took {write_ms:.0f} ms: no sync was delayed")
    trial.report_probes(alone, "read", goal_ms=10, bound_ms=_SYNC_MS / 2)
    trial.figures.append(f"with writes, {write_ms:.0f} ms each")
    trial.report_probes(beside, "ping", goal_ms=10, bound_ms=_SYNC_MS / 2)
    trial.report_probes(beside, "read", goal_ms=_SYNC_MS * 1.5, bound_ms=_SYNC_MS * 4)


def _probe_while(port: int, action: Callable[[], None]) -> list[Latency]:
    probes = Probes(port)
    probes.start()
    action()
    return probes.stop()


def _write(trial: Trial, client: Client, count: int) -> None:
    for number in range(count):
        trial.expect(client.command("SET", "slow", number) == b"OK", "a slow write failed")


def hung(trial: Trial) -> None:
    """The storage process hangs (SIGSTOP) for longer than `request-timeout`.

    Each request is answered with an error that says what became of it, and that turns out to be
    true. The circuit breaker opens, so that later ones need not wait in vain, and closes behind the
    hang, when everything is served again.
    """
    server = trial.start({"request-timeout": _REQUEST_TIMEOUT_MS})
    seconds = trial.scaled(1.0, 10.0)
    asked: list[Asked] = []
    with ExitStack() as stack:
        control = stack.enter_context(server.client())
        clients = [stack.enter_context(server.client()) for _ in range(_CONNECTIONS)]
        set_probed(control)
        ending_ns = monotonic_ns() + int(seconds * 1e9)
        with stopped_process(storage_process_id(control)):
            while monotonic_ns() < ending_ns:
                asked += _ask_all(clients, len(asked))
                sleep(_PAUSE_S)
            trial.expect(_breaker(control) != "closed", "the breaker did not open")
        continued_ns = monotonic_ns()
        wait_until(lambda: control.command("SET", "after", "1") == b"OK", "service")
        back_ms = (monotonic_ns() - continued_ns) / 1e6
        trial.expect(_breaker(control) == "closed", "the breaker did not close")
        for client in clients:
            trial.expect(client.command("ECHO", "end") == b"end", "a reply too many")
        found = control.command("MGET", *(each.name for each in asked))
    _judge(trial, asked, found)
    trial.figures.append(f"hung for {seconds:g} s, served again {back_ms:.0f} ms behind it")
    trial.figures.append(f"writes {dict(Counter(each.written for each in asked))}")
    trial.figures.append(f"reads {dict(Counter(each.read for each in asked))}")
    trial.report_time(
        "longest wait",
        max(each.waited_ms for each in asked),
        goal_ms=_REQUEST_TIMEOUT_MS * 1.5,
        bound_ms=_REQUEST_TIMEOUT_MS + _LATE_MS,
    )


class Asked(msgspec.Struct, frozen=True):
    """A write to a key of its own and a read behind it; first words of what they were answered."""

    name: str
    written: str
    read: str
    waited_ms: float


def _ask_all(clients: list[Client], number: int) -> list[Asked]:
    """One of each client, all at the same time."""
    started_ns = monotonic_ns()
    names = [f"hung:{number + n}" for n in range(len(clients))]
    for name, client in zip(names, clients, strict=True):
        client.send(encode("SET", name, "1") + encode("GET", PROBED))
    found = []
    for name, client in zip(names, clients, strict=True):
        written, read = _word(client.reply()), _word(client.reply())
        found.append(Asked(name, written, read, (monotonic_ns() - started_ns) / 1e6))
    return found


def _word(answer: object) -> str:
    """The first word of an error, "done" for any other answer."""
    return str(answer).partition(" ")[0] if isinstance(answer, ErrorReply) else "done"


def _breaker(client: Client) -> str:
    return client.info("channel")["breaker_state"]


def _judge(trial: Trial, asked: list[Asked], found: list[bytes | None]) -> None:
    """Only documented errors, and what was denied must not be there."""
    written, read = {each.written for each in asked}, {each.read for each in asked}
    trial.expect(written <= {*_DENIED, _UNKNOWN}, f"writes were answered {written}")
    trial.expect(read <= {*_DENIED}, f"reads were answered {read}")
    for each, value in zip(asked, found, strict=True):
        if each.written in _DENIED:
            trial.expect(value is None, f"{each.name} was made, and answered {each.written}")
