"""Why a process does not answer, as the kernel knows it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from kiwi_engine.server.lifecycle import process_state
from kiwi_engine.server.lifecycle.process_state import describe, what_it_does
from tests.support.servers import wait_until


@pytest.mark.parametrize(
    ("main", "others", "expected"),
    [
        ("R", "SSD", process_state.BUSY),
        ("D", "RS", process_state.DISK),
        ("T", "TT", process_state.STOPPED),
        ("t", "tt", process_state.TRACED),
        ("Z", "", process_state.ENDED),
        ("S", "", process_state.WAITING),
        ("S", "SS", process_state.WAITING),
        ("S", "RD", process_state.DISK),
        ("S", "RS", process_state.BUSY),
        ("S", "St", process_state.TRACED),
    ],
)
def test_what_the_states_of_threads_mean(main: str, others: str, expected: str) -> None:
    assert describe(main, others) == expected


def test_real_processes() -> None:
    assert what_it_does(os.getpid()) == process_state.BUSY
    program = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        wait_until(lambda: what_it_does(process.pid) == process_state.WAITING, "a sleeping process")
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: what_it_does(process.pid) == process_state.STOPPED, "a stopped process")
        process.send_signal(signal.SIGCONT)
        process.kill()
        wait_until(lambda: what_it_does(process.pid) == process_state.ENDED, "an ended process")
    assert what_it_does(process.pid) == process_state.UNKNOWN
