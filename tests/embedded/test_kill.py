"""Programs that are killed: what returned is there, batches are whole, nothing is made up."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import kiwi_engine
from tests.embedded.options import TINY

WORKERS = 6
ROUNDS = 3
# Each thread counts: a pair of keys in one batch, and says so when it has returned. An increment
# by a transaction in between, and sometimes a range deletion of keys that only this thread writes.
PROGRAM = f"""
import os, sys, threading, kiwi_engine
engine = kiwi_engine.open(sys.argv[1], **{TINY!r})
def work(worker):
    own = b"own %d " % worker
    last = engine.get(own + b"a")
    number = int(last.split(b".")[0]) if last else 0
    while True:
        number += 1
        value = b"%d." % number + b"x" * (number * 37 % 300)
        batch = kiwi_engine.WriteBatch()
        if number % 7 == 0:
            batch.delete_range(prefix=own)
        batch.put(own + b"a", value)
        batch.put(own + b"b", value)
        engine.write(batch)
        def increment(transaction):
            transaction.put(b"sum", b"%d" % (int(transaction.get(b"sum") or b"0") + 1))
        engine.transact(increment, attempts=1000)
        os.write(1, b"%d %d\\n" % (worker, number))
for worker in range({WORKERS}):
    threading.Thread(target=work, args=(worker,)).start()
"""


def run_and_kill(directory: Path, lines_max: int) -> list[tuple[int, int]]:
    """(worker, number) of what was reported before the program was killed."""
    program = [sys.executable, "-c", PROGRAM, str(directory)]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        lines = []
        for line in child.stdout:
            lines.append(line)
            if len(lines) == lines_max:
                child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    return [(int(worker), int(number)) for worker, number in map(bytes.split, lines)]


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_what_returned_survives(tmp_path: Path, seed: int) -> None:
    chosen = random.Random(seed)
    reported = dict.fromkeys(range(WORKERS), 0)
    total_before = 0
    for _ in range(3):
        reports = run_and_kill(tmp_path, chosen.randint(1, 400))
        reported.update(reports)
        with kiwi_engine.open(tmp_path, **TINY) as engine:
            found = {}
            for worker in range(WORKERS):
                first = engine.get(b"own %d a" % worker)
                assert first == engine.get(b"own %d b" % worker), "a torn batch"
                found[worker] = int(first.split(b".")[0]) if first else 0
                if first:
                    expected = b"%d." % found[worker] + b"x" * (found[worker] * 37 % 300)
                    assert first == expected
            total = int(engine.get(b"sum") or b"0")
            rows = dict(engine.scan())
            assert engine.count() == len(rows)
        for worker in range(WORKERS):
            # One more may have been written and not been reported.
            assert reported[worker] <= found[worker] <= reported[worker] + 1
        # Each increment that was followed by a report, and at most one more of each worker.
        assert total_before + len(reports) <= total <= total_before + len(reports) + WORKERS
        reported.update(found)
        total_before = total
