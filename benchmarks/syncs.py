"""Who syncs in a server, and how often, while it is written to (shell)."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.support.servers import ServerProcess
from tests.support.strace import attached

SETS: Final = 2000
CLIENTS: Final = 50


def count_syncs(server: ServerProcess, trace_path: Path) -> float | None:
    """fsync and fdatasync calls for 1000 SETs of 50 clients; None where strace cannot be used."""
    if shutil.which("strace") is None:
        return None
    words = ["strace", "-f", "-e", "trace=fsync,fdatasync", "-e", "signal=none"]
    words += ["-o", str(trace_path), "-p", str(writer_process_id(server))]
    trace = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert trace.stderr is not None
    if "attached" not in trace.stderr.readline():
        trace.wait()
        return None
    try:
        load = f"redis-benchmark -h 127.0.0.1 -p {server.port} -t set -n {SETS} -c {CLIENTS} -q"
        subprocess.run(load.split(), stdout=subprocess.DEVNULL, check=True)
    finally:
        trace.send_signal(signal.SIGINT)
        trace.communicate(timeout=30)
    calls = sum("sync(" in line for line in trace_path.read_text().splitlines())
    return calls * 1000 / SETS


def syncing_thread(process_id: int, write: Callable[[], object], trace_path: Path) -> int:
    """The thread of a process that syncs what `write` writes, found with strace."""
    with attached(process_id, ["-e", "trace=fdatasync"], trace_path):
        write()
    return int(trace_path.read_text().split()[0])


def writer_process_id(server: ServerProcess) -> int:
    """The process that syncs: Kiwi Engine's storage process, or the server itself."""
    with server.client() as client:
        fields = client.info("server")
    return int(fields.get("storage_process_id", fields["process_id"]))
