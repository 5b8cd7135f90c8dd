"""The network process, which is the supervisor, dies (glue)."""

from __future__ import annotations

import signal
from typing import Final

from kiwi_engine.clock import monotonic_ns, sleep
from kiwi_engine.engine.inspection.owner import owner_of
from tests.support.processes import is_alive
from tests.support.runtime_faults.judged_load import JudgedLoad, load_keys, missing_keys
from tests.support.runtime_faults.trial import Trial, storage_process_id
from tests.support.servers import ServerProcess, wait_until

_CLIENTS: Final = 8
_RELEASE_GOAL_MS: Final = 5000
_RELEASE_TIMEOUT_S: Final = 30.0


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
