"""Clients that take more than their share: of memory, of connections, of attention (glue).

The bounds on memory are a small part of what is offered, and leave room for what a quiet server of
the same settings grows by.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from kiwi_engine.clock import sleep
from tests.support.client import Client, encode
from tests.support.probes import Probes, set_probed
from tests.support.runtime_faults.flood import Flood, run_floods, sets, sets_and_gets
from tests.support.runtime_faults.trial import MB, Trial, allow_descriptors, memory_peak
from tests.support.servers import ServerProcess, wait_until

_CHANNEL_BYTES: Final = 8 * MB
_MEMORY_BYTES: Final = 64 * MB
# Those of clients that take all they can get.
SETTINGS: Final[dict[str, str | int]] = {
    "channel-buffer-bytes": _CHANNEL_BYTES,
    "memory": _MEMORY_BYTES,
}
_NETWORK_GROWTH_MAX: Final = 8 * _CHANNEL_BYTES + 32 * MB
_STORAGE_GROWTH_MAX: Final = 2 * _MEMORY_BYTES + 4 * _CHANNEL_BYTES
_PIPELINE_BYTES: Final = MB
# Who waits that long is not served, however busy the machine is.
_STARVED_MS: Final = 10_000
_IDLE_GOAL_BYTES: Final = 20 * 1024
_HALF_SENT: Final = 100
_ANNOUNCED_BYTES: Final = 512 * MB


@contextmanager
def _others_served(trial: Trial, server: ServerProcess) -> Iterator[None]:
    """Others ask for something short while the block runs; their waits are reported."""
    with server.client() as client:
        set_probed(client)
    probes = Probes(server.port)
    probes.start()
    try:
        yield
    finally:
        latencies = probes.stop()
    for kind in ("ping", "read"):
        trial.report_probes(latencies, kind, goal_ms=50, bound_ms=_STARVED_MS)


def deaf(trial: Trial) -> None:
    """Clients ask for more and more and read no reply; a subscriber does not read, either.

    They are not served on while their replies wait, and get everything once they read. A client
    beyond its `client-output-buffer-limit` is disconnected.
    """
    server = trial.start(SETTINGS)
    value = trial.random.randbytes(10_000)
    seconds = trial.scaled(0.5, 10.0)
    with ExitStack() as stack:
        control = stack.enter_context(server.client())
        assert control.command("SET", "large", value) == b"OK"
        gets = trial.scaled(20_000, 200_000)
        clients = [stack.enter_context(server.client(60)) for _ in range(trial.scaled(4, 20))]
        peak = memory_peak(server)
        with _others_served(trial, server):
            for client in clients:
                _send_what_is_taken(client, encode("GET", "large") * gets)
            _publish_to_the_deaf(trial, server, control, seconds)
        trial.figures.append(f"{len(clients)} clients asked for {gets * len(value) // MB} MiB each")
        trial.report_memory(
            peak, {"network": 16 * MB * len(clients) + 64 * MB, "storage": _STORAGE_GROWTH_MAX}
        )
        replies = [clients[0].reply() for _ in range(100)]
        trial.expect(set(replies) == {value}, "a client that reads again got something else")


def _send_what_is_taken(client: Client, data: bytes) -> None:
    """As much as the server and the kernel take within a moment."""
    client.socket.settimeout(0.1)
    try:
        client.socket.sendall(data)
    except TimeoutError:
        pass
    client.socket.settimeout(60)


def _publish_to_the_deaf(
    trial: Trial, server: ServerProcess, control: Client, seconds: float
) -> None:
    """More than the limit of subscribers (32 MiB) allows."""
    with server.client() as subscriber:
        assert subscriber.command("SUBSCRIBE", "news")[0] == b"subscribe"
        receivers = [control.command("PUBLISH", "news", b"n" * MB) for _ in range(64)]
        trial.expect(receivers[0] == 1, "the subscriber was not there")
        trial.expect(receivers[-1] == 0, "64 MiB were kept for a subscriber that does not read")
        sleep(seconds)


def endless(trial: Trial) -> None:
    """Clients send SETs without end, faster than they can be carried out, but read the replies."""
    server = trial.start(SETTINGS)
    count = trial.scaled(4, 8)
    floods = [Flood(server.port, *sets(f"f{n}", 1000, 1000)) for n in range(count)]
    _run(trial, server, floods, trial.scaled(0.5, 20.0))


def pipelines(trial: Trial) -> None:
    """Connections send pipelines of 1 MB of small commands, and check every reply."""
    server = trial.start(SETTINGS)
    count = trial.scaled(4, 20)
    floods = [
        Flood(server.port, *sets_and_gets(f"p{n}", _PIPELINE_BYTES), is_patient=True)
        for n in range(count)
    ]
    _run(trial, server, floods, trial.scaled(0.5, 20.0))


def _run(trial: Trial, server: ServerProcess, floods: list[Flood], seconds: float) -> None:
    peak = memory_peak(server)
    with _others_served(trial, server):
        rate, problems = run_floods(floods, seconds)
    trial.violations += problems
    trial.figures.append(f"{len(floods)} connections, {rate:.0f} MB/s")
    trial.report_memory(peak, {"network": _NETWORK_GROWTH_MAX, "storage": _STORAGE_GROWTH_MAX})


def idle(trial: Trial) -> None:
    """Thousands of connections do something once, and then nothing."""
    count = trial.scaled(500, 5000)
    allow_descriptors(count)
    server = trial.start()
    peak = memory_peak(server)
    with ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for _ in range(count)]
        for number, client in enumerate(clients):
            client.send(encode("SET", f"idle:{number}", number))
        replies = {client.reply() for client in clients}
        trial.expect(replies == {b"OK"}, f"SETs were answered {replies}")
        each = peak.growth()["network"] / count
        with _others_served(trial, server):
            sleep(trial.scaled(0.5, 5.0))
        for client in clients:
            client.send(encode("PING"))
        trial.expect({client.reply() for client in clients} == {b"PONG"}, "a connection is gone")
    trial.figures.append(
        f"{count} connections, {each / 1024:.1f} KiB each (goal {_IDLE_GOAL_BYTES // 1024} KiB)"
    )
    trial.expect(each <= 5 * _IDLE_GOAL_BYTES, f"an idle connection takes {each:.0f} bytes")
    with server.client() as client:
        wait_until(lambda: client.info("clients")["connected_clients"] == "1", "their end")


def half_sent(trial: Trial) -> None:
    """A hundred connections announce 512 MB each, send a little of it, and stop there."""
    server = trial.start()
    part = trial.random.randbytes(trial.scaled(64 * 1024, MB))
    peak = memory_peak(server)
    with ExitStack() as stack:
        with _others_served(trial, server):
            for number in range(_HALF_SENT):
                client = stack.enter_context(server.client())
                header = b"*3\r\n$3\r\nSET\r\n$5\r\nh:%03d\r\n$%d\r\n" % (number, _ANNOUNCED_BYTES)
                client.send(header + part)
            sleep(trial.scaled(0.5, 5.0))
        sent_bytes = _HALF_SENT * len(part)
        trial.figures.append(f"{_HALF_SENT * _ANNOUNCED_BYTES // MB} MiB announced")
        trial.figures.append(f"{sent_bytes // MB} MiB sent")
        trial.report_memory(peak, {"network": 3 * sent_bytes + 32 * MB, "storage": 32 * MB})
    with server.client() as client:
        wait_until(lambda: client.info("clients")["connected_clients"] == "1", "their end")
        trial.expect(client.command("DBSIZE") == 1, "half a command was carried out")
