"""A program that is interrupted all the time while its threads write: `SEED DIRECTORY SECONDS`.

A program of its own, because an interrupt may hit anything, also a callback of the interpreter.
"""

from __future__ import annotations

import faulthandler
import random
import signal
import sys
import threading
import time
from types import FrameType

import kiwi_engine
from tests.embedded.differences import differences
from tests.embedded.options import TINY

THREADS = 4
PARTS = (b"a", b"b", b"c")


def keys(worker: int) -> list[bytes]:
    return [b"%d %s" % (worker, part) for part in PARTS]


def batch_of(worker: int, number: int) -> kiwi_engine.WriteBatch:
    batch = kiwi_engine.WriteBatch()
    for key in keys(worker):
        batch.put(key, b"%d" % number)
    return batch


class Worker(threading.Thread):
    """Writes until it is told to stop; `trouble` says what should not have been."""

    def __init__(self, engine: kiwi_engine.Engine, number: int) -> None:
        super().__init__(daemon=True)
        self.engine, self.number = engine, number
        self.is_over = False
        self.trouble = ""

    def run(self) -> None:
        number = returned = 0
        while not self.is_over and not self.trouble:
            number += 1
            try:
                self.engine.write(batch_of(self.number, number))
                returned = number
            except kiwi_engine.UnknownOutcomeError:
                pass  # the main thread was interrupted in the middle of a group
            seen = set(self.engine.get_many(keys(self.number)))
            value = seen.pop()
            if seen or int(value or b"0") < returned:
                self.trouble = f"{seen} {value!r} after {returned}"


def interrupted_calls(engine: kiwi_engine.Engine, chosen: random.Random, end: float) -> None:
    """The main thread's work, which `KeyboardInterrupt` ends somewhere."""
    while time.monotonic() < end:
        engine.write(batch_of(0, chosen.getrandbits(30)))
        seen = list(engine.scan(prefix=b"0 "))
        assert len({value for _, value in seen}) == 1, f"half a batch: {seen}"
        with engine.snapshot() as snapshot:
            values = snapshot.get_many(keys(0))
            assert len(set(values)) == 1, f"half a batch in a snapshot: {values}"
        with engine.transaction() as transaction:
            value = transaction.get(keys(0)[0])
            transaction.put(b"0/transaction", value or b"")
        engine.delete_range(b"0/", b"0/transaction")
        count, rows = engine.count(), list(engine.keys(reverse=True))
        # The other threads write their own keys once more and once more.
        assert count <= len(rows), f"counted {count} of {rows}"


def interrupt_calls(engine: kiwi_engine.Engine, chosen: random.Random, seconds: float) -> int:
    """Again and again, for so long; returns how often."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    interrupts = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            try:
                # Again after a while: Python swallows what is raised in a finalizer.
                signal.setitimer(signal.ITIMER_REAL, chosen.uniform(0.0001, 0.003), 0.02)
                interrupted_calls(engine, chosen, end)
            finally:
                # Before anything else is done about what it raised.
                signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            interrupts += 1
        except kiwi_engine.UnknownOutcomeError:
            pass
    return interrupts


def main(seed: int, directory: str, seconds: float) -> None:
    faulthandler.dump_traceback_later(seconds + 60, exit=True)
    engine = kiwi_engine.open(directory, **TINY)
    workers = [Worker(engine, number) for number in range(1, THREADS + 1)]
    for worker in workers:
        worker.start()
    interrupts = interrupt_calls(engine, random.Random(seed), seconds)
    for worker in workers:
        worker.is_over = True
    for worker in workers:
        worker.join(30)
        assert not worker.is_alive(), "a thread hangs"
        assert not worker.trouble, worker.trouble
    rows = dict(engine.scan())
    values = dict(zip(rows, engine.get_many(rows), strict=True))
    assert values == rows, f"get and scan differ: {values} and {rows}"
    engine.close()
    with kiwi_engine.open(directory, **TINY) as again:
        reopened = dict(again.scan())
        assert reopened == rows, f"after closing and opening: {differences(reopened, rows)}"
    print("interrupts:", interrupts)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
