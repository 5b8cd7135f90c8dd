"""The storage process stops for a while, or dies again and again (glue)."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from statistics import median
from typing import Final

from kiwi_engine.clock import monotonic_ns, sleep
from tests.support.client import Client, encode
from tests.support.probes import PING, Probes
from tests.support.processes import is_alive
from tests.support.runtime_faults.flood import Flood, sets
from tests.support.runtime_faults.judged_load import JudgedLoad, load_keys, missing_keys
from tests.support.runtime_faults.trial import (
    MB,
    Trial,
    memory_peak,
    stopped_process,
    storage_process_id,
)
from tests.support.servers import wait_until

_WAITING_CONNECTIONS: Final = 20
_WRITES_A_CONNECTION: Final = 50
_CHANNEL_BYTES: Final = 8 * MB
# Requests as objects, and once more as the frame that carries them.
_NETWORK_GROWTH_MAX: Final = 4 * _CHANNEL_BYTES + 32 * MB
_STORAGE_GROWTH_MAX: Final = 128 * MB
_KILLED_UNDER: Final = 8
_RECOVERY_TIMEOUT_S: Final = 60.0


def stopped(trial: Trial) -> None:
    """The storage process is stopped (SIGSTOP) for a while, shorter than `request-timeout`.

    PING goes on, 1,000 writes of 20 connections wait and succeed, and a client that sends on and on
    meanwhile takes no more memory than the channel's bounds allow.
    """
    server = trial.start({"channel-buffer-bytes": _CHANNEL_BYTES})
    seconds = trial.scaled(1, 10)
    probes = Probes(server.port, [PING])
    with ExitStack() as stack:
        control = stack.enter_context(server.client())
        writers = [stack.enter_context(server.client(60)) for _ in range(_WAITING_CONNECTIONS)]
        flood = Flood(server.port, *sets("flood", 100, 1000))
        process_id = storage_process_id(control)
        peak = memory_peak(server)
        probes.start()
        with stopped_process(process_id):
            for number, writer in enumerate(writers):
                names = [f"{number}:{n}" for n in range(_WRITES_A_CONNECTION)]
                writer.send(b"".join(encode("SET", name, name) for name in names))
            sleep(seconds / 4)
            flood.start()
            sleep(seconds * 3 / 4)
            latencies = probes.stop()
            offered_mb = flood.sent_bytes / 1e6
        continued_ns = monotonic_ns()
        replies = [writer.reply() for writer in writers for _ in range(_WRITES_A_CONNECTION)]
        answered_ms = (monotonic_ns() - continued_ns) / 1e6
        trial.violations += flood.end()
        trial.expect(set(replies) == {b"OK"}, f"waiting writes: {set(map(str, replies))}")
        names = [
            f"{n}:{m}" for n in range(_WAITING_CONNECTIONS) for m in range(_WRITES_A_CONNECTION)
        ]
        found = control.command("MGET", *names)
        trial.expect(found == [name.encode() for name in names], "a waiting write is missing")
    trial.figures.append(f"stopped for {seconds} s")
    trial.report_probes(latencies, "ping", goal_ms=10, bound_ms=seconds * 500)
    trial.figures.append(f"{len(replies)} waiting writes answered {answered_ms:.0f} ms later")
    trial.figures.append(f"a flood was taken {offered_mb:.0f} MB of meanwhile")
    trial.report_memory(peak, {"network": _NETWORK_GROWTH_MAX, "storage": _STORAGE_GROWTH_MAX})


def killed(trial: Trial) -> None:
    """The storage process is killed (SIGKILL) again and again under the load of 8 connections.

    They stay open, get one reply to each request, and nothing acknowledged is lost.
    """
    kills, count = trial.scaled(2, 20), trial.scaled(5_000, 1_000_000)
    server = trial.start()
    with server.client(_RECOVERY_TIMEOUT_S) as control:
        load_keys(control, count)
        load = JudgedLoad(trial.seed, _KILLED_UNDER, may_disconnect=False)
        load.start(server.port)
        outages_ms, replays_ms = [], []
        for _ in range(kills):
            # Longer than a second: who dies sooner is started again later and later.
            sleep(trial.random.uniform(1.1, 1.5))
            outages_ms.append(_kill_storage(control))
            load.wait_until_served(_RECOVERY_TIMEOUT_S)
            replays_ms.append(int(control.info("persistence")["recovery_ms"]))
        load.finish()
        trial.violations += load.judge(control)
        missing = missing_keys(control, count)
        trial.expect(not missing, f"{missing} of {count} keys loaded before are missing")
    trial.figures.append(f"{kills} kills under {load.acknowledged_count} acknowledged writes")
    trial.report_time(
        "service back p50", median(outages_ms), goal_ms=1000, bound_ms=_RECOVERY_TIMEOUT_S * 500
    )
    trial.figures.append(f"of it opening the directory {median(replays_ms):.0f} ms")
    trial.figures.append(f"longest {max(outages_ms):.0f} ms")
    trial.figures.append(f"errors meanwhile {dict(load.refusals) or 'none'}")


def _kill_storage(control: Client) -> float:
    """Kill it; milliseconds until the first write is acknowledged again."""
    process_id = storage_process_id(control)
    os.kill(process_id, signal.SIGKILL)
    killed_ns = monotonic_ns()
    wait_until(lambda: not is_alive(process_id), "the end of the storage process")
    while control.command("SET", "kill", process_id) != b"OK":
        assert monotonic_ns() < killed_ns + _RECOVERY_TIMEOUT_S * 1e9, "no service for a minute"
    return (monotonic_ns() - killed_ns) / 1e6
