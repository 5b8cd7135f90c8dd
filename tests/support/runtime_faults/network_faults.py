"""A network process dies or hangs: that of the supervisor, or one beside it (glue)."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from typing import Final

from kiwi_engine.clock import monotonic_ns, sleep
from kiwi_engine.engine.inspection.owner import owner_of
from tests.support.client import Client
from tests.support.network_processes import clients_everywhere, worker_facts
from tests.support.processes import is_alive
from tests.support.runtime_faults.judged_load import JudgedLoad, load_keys, missing_keys
from tests.support.runtime_faults.trial import Trial, storage_process_id
from tests.support.servers import ServerProcess, wait_until

_CLIENTS: Final = 8
_RELEASE_GOAL_MS: Final = 5000
_RELEASE_TIMEOUT_S: Final = 30.0
_NETWORK_PROCESSES: Final = 3
_HANG_TIMEOUT_MS: Final = 1000
_REPLACE_GOAL_MS: Final = 2 * _HANG_TIMEOUT_MS
_REPLACE_TIMEOUT_S: Final = 30.0


def orphaned(trial: Trial) -> None:
    """The supervisor is killed (SIGKILL): once while nothing happens, then under load.

    The storage process ends by itself, the lock of the directory is free within five seconds, and
    a new server has everything that was acknowledged.
    """
    kills, count = trial.scaled(2, 8), trial.scaled(5_000, 50_000)
    server = trial.start()
    load = JudgedLoad(trial.seed, _CLIENTS, may_disconnect=True)
    with server.client() as client:
        load_keys(client, count)
    released_ms = []
    for number in range(kills):
        if number:
            load.start(server.port)
        sleep(trial.random.uniform(0.3, 0.9))
        released_ms.append(_orphan(server))
        load.finish()
        server.start()
        with server.client() as client:
            trial.violations += load.judge(client)
            missing = missing_keys(client, count)
            trial.expect(not missing, f"{missing} of {count} keys loaded before are missing")
    trial.figures.append(f"{kills} kills under {load.acknowledged_count} acknowledged writes")
    trial.report_time(
        "longest until the lock was free",
        max(released_ms),
        goal_ms=_RELEASE_GOAL_MS,
        bound_ms=2 * _RELEASE_GOAL_MS,
    )


def _orphan(server: ServerProcess) -> float:
    """Kill the supervisor alone; milliseconds until its storage process and the lock are gone."""
    with server.client() as client:
        storage = storage_process_id(client)
    server.signal(signal.SIGKILL)
    killed_ns = monotonic_ns()
    server.wait()
    # A process may be dead while its last system call, and so its lock, is not over yet.
    wait_until(
        lambda: not is_alive(storage) and owner_of(str(server.directory)) is None,
        "the end of the storage process and its lock",
        _RELEASE_TIMEOUT_S,
    )
    return (monotonic_ns() - killed_ns) / 1e6


def worker(trial: Trial) -> None:
    """One of several network processes is killed, or stopped (SIGSTOP), under load.

    Its clients lose their connections, those of the others do not; another takes its place, and
    nothing acknowledged is lost.
    """
    losses = trial.scaled(2, 12)
    server = trial.start(
        {"network-threads": _NETWORK_PROCESSES, "network-hang-timeout": f"{_HANG_TIMEOUT_MS}ms"}
    )
    load = JudgedLoad(trial.seed, _CLIENTS, may_disconnect=True)
    replaced_ms = []
    for number in range(losses):
        with ExitStack() as stack:
            found = clients_everywhere(server, _NETWORK_PROCESSES)
            clients = [stack.enter_context(client) for client in found]
            load.start(server.port)
            sleep(trial.random.uniform(0.3, 0.9))
            victim = trial.random.randrange(1, _NETWORK_PROCESSES)
            how = signal.SIGSTOP if number % 2 else signal.SIGKILL
            replaced_ms.append(_lose_worker(clients[0], victim, how))
            served = [at for at, client in enumerate(clients) if _is_served(client)]
            others = [at for at in range(_NETWORK_PROCESSES) if at != victim]
            trial.expect(served == others, f"{how.name} of {victim}: clients of {served} go on")
            load.finish()
            trial.violations += load.judge(clients[0])
    trial.figures.append(f"{losses} losses under {load.acknowledged_count} acknowledged writes")
    trial.report_time(
        "longest until it was replaced",
        max(replaced_ms),
        goal_ms=_REPLACE_GOAL_MS,
        bound_ms=_REPLACE_TIMEOUT_S * 1000,
    )


def _lose_worker(control: Client, number: int, how: signal.Signals) -> float:
    """Let a worker die or hang; milliseconds until another one serves in its place."""
    lost = worker_facts(control, number)["pid"]
    os.kill(int(lost), how)
    began_ns = monotonic_ns()

    def is_replaced() -> bool:
        facts = worker_facts(control, number)
        return facts["pid"] not in ("0", lost) and facts["state"] == "running"

    wait_until(is_replaced, f"another network process {number}", _REPLACE_TIMEOUT_S)
    return (monotonic_ns() - began_ns) / 1e6


def _is_served(client: Client) -> bool:
    try:
        return bool(client.command("PING") == b"PONG")
    except ConnectionError:
        return False
