"""A program with an embedded engine, to be killed (shell).

    python -m tests.support.embedded_program DIRECTORY SEED THREADS OPTIONS

Its threads do what `embedded_workload` says, and write a line to standard output for each operation
that was done: the thread, how many it has done, and the shared counter if it counted that up. A
line `wrong ...` names what a thread read that it should not have. OPTIONS are JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading

import kiwi_engine
from kiwi_engine.testing.oracle import Add
from tests.support.embedded_workload import Operation, counter_of, operations


class Worker:
    """One thread: it knows what all of its keys must hold."""

    def __init__(self, engine: kiwi_engine.Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._state = dict(engine.scan(prefix=f"{name}:".encode()))

    def run(self, seed: str) -> None:
        """Work until the process dies."""
        try:
            for done, operation in enumerate(operations(seed, self._name), start=1):
                counted = self._do(operation)
                tell(f"{self._name} {done} {counted}")
        except BaseException as error:
            tell(f"wrong {self._name}: {type(error).__name__}: {error}")
            raise

    def _do(self, operation: Operation) -> int:
        """Carry it out; the shared counter if it counted that up."""
        engine = self._engine
        match operation.kind:
            case "put":
                ((key, value),) = operation.changes.items()
                assert isinstance(value, bytes)
                engine.put(key, value)
            case "delete":
                engine.delete(next(iter(operation.changes)))
            case "batch":
                batch = kiwi_engine.WriteBatch()
                for key, value in operation.changes.items():
                    assert isinstance(value, bytes)
                    batch.put(key, value)
                engine.write(batch)
            case "own-counter" | "shared-counter":
                counted = self._count_up(counter_of(operation))
                self._note(operation)
                return counted if operation.kind == "shared-counter" else 0
            case "scan":
                self._compare(dict(engine.scan(prefix=f"{self._name}:".encode())))
            case "snapshot":
                with engine.snapshot() as snapshot:
                    self._compare(dict(snapshot.scan(prefix=f"{self._name}:".encode())))
        self._note(operation)
        return 0

    def _count_up(self, key: bytes) -> int:
        def step(transaction: kiwi_engine.Transaction) -> int:
            number = int(transaction.get(key) or 0) + 1
            transaction.put(key, b"%d" % number)
            return number

        return self._engine.transact(step, attempts=1000)

    def _note(self, operation: Operation) -> None:
        for key, change in operation.changes.items():
            if isinstance(change, Add):
                self._state[key] = b"%d" % (int(self._state.get(key) or 0) + change.amount)
            elif change is None:
                self._state.pop(key, None)
            else:
                assert isinstance(change, bytes), "a program edits nothing"
                self._state[key] = change

    def _compare(self, found: dict[bytes, bytes]) -> None:
        different = {
            key
            for key in found.keys() | self._state.keys()
            if found.get(key) != self._state.get(key)
        }
        if different:
            tell(f"wrong {self._name}: {sorted(different)} are not what was written")


def tell(line: str) -> None:
    """In one system call: lines of several threads do not mix."""
    os.write(1, line.encode() + b"\n")


def main(directory: str, seed: str, threads: str, options: str) -> None:
    engine = kiwi_engine.open(directory, **json.loads(options))
    workers = [Worker(engine, f"t{number}") for number in range(int(threads))]
    tell("open")
    for worker in workers:
        threading.Thread(target=worker.run, args=(seed,)).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
