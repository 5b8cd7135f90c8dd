"""Many threads on one engine, while drains, rotations and flushes go on all the time."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

import kiwi_engine
from tests.embedded.options import TINY

ROUNDS = 150


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[kiwi_engine.Engine]:
    with kiwi_engine.open(tmp_path / "data", **TINY) as opened:
        yield opened


def run_together(*work: Callable[[], None]) -> None:
    """Each in a thread of its own; the first failure is raised here."""
    failures: list[BaseException] = []

    def run(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as failure:  # noqa: BLE001 - raised below
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(function,)) for function in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "a thread hangs"
    if failures:
        raise failures[0]


def number_in(value: bytes | None) -> int:
    return 0 if value is None else int(value.split(b".")[0])


def padded(number: int) -> bytes:
    """Every third one is large enough for the value log."""
    return b"%d." % number + b"x" * (200 if number % 3 == 0 else 5)


def test_a_read_is_never_older_than_what_was_acknowledged(engine: kiwi_engine.Engine) -> None:
    keys = [b"counter %d" % number for number in range(4)]
    submitted = dict.fromkeys(keys, 0)
    acknowledged = dict.fromkeys(keys, 0)
    is_over = threading.Event()

    def write(key: bytes) -> None:
        try:
            for number in range(1, ROUNDS + 1):
                submitted[key] = number
                engine.put(key, padded(number))
                acknowledged[key] = number
        finally:
            is_over.set()

    def read(seed: int) -> None:
        chosen = random.Random(seed)
        while not is_over.is_set():
            key = chosen.choice(keys)
            low = acknowledged[key]
            value = number_in(engine.get(key))
            assert low <= value <= submitted[key], f"seed {seed}"

    run_together(
        *[lambda key=key: write(key) for key in keys],
        *[lambda seed=seed: read(seed) for seed in range(4)],
    )


def test_batches_are_seen_whole(engine: kiwi_engine.Engine) -> None:
    """A batch deletes the range that it fills again: none of its keys is ever absent."""
    keys = [b"pair %02d" % number for number in range(40)]
    is_over = threading.Event()

    def fill(number: int) -> None:
        batch = kiwi_engine.WriteBatch()
        batch.delete_range(prefix=b"pair ")
        for key in keys:
            batch.put(key, padded(number))
        engine.write(batch)

    def write() -> None:
        try:
            for number in range(2, ROUNDS + 1):
                fill(number)
        finally:
            is_over.set()

    def check(values: list[bytes | None], seen: int, how: str) -> int:
        numbers = {number_in(value) for value in values}
        assert len(numbers) == 1, f"{how}: {sorted(numbers)}"
        assert min(numbers) >= seen, how
        return min(numbers)

    def read_points() -> None:
        seen = 1
        while not is_over.is_set():
            seen = check(engine.get_many([keys[0], keys[20], keys[39]]), seen, "get_many")
            seen = check([engine.get(keys[30])], seen, "get")

    def read_ranges(reverse: bool) -> None:
        seen = 1
        while not is_over.is_set():
            values = [value for _, value in engine.scan(prefix=b"pair", reverse=reverse)]
            assert len(values) == len(keys)
            seen = check(list(values), seen, "scan")

    def read_snapshots() -> None:
        seen = 1
        while not is_over.is_set():
            with engine.snapshot() as snapshot:
                before = seen = check(snapshot.get_many(keys), seen, "snapshot")
                values = [value for _, value in snapshot.scan()]
                assert check(list(values), before, "snapshot scan") == before
                assert check(snapshot.get_many(keys), before, "snapshot again") == before

    fill(1)
    run_together(
        write, read_points, read_points, lambda: read_ranges(False), lambda: read_ranges(True),
        read_snapshots,
    )  # fmt: skip


def test_long_scans_show_one_moment(engine: kiwi_engine.Engine) -> None:
    """More rows than are read at once: the rest comes from a snapshot."""
    keys = [b"row %04d" % number for number in range(400)]
    is_over = threading.Event()

    def fill(number: int) -> None:
        batch = kiwi_engine.WriteBatch()
        for key in keys:
            batch.put(key, padded(number))
        engine.write(batch)

    def write() -> None:
        try:
            for number in range(2, 40):
                fill(number)
        finally:
            is_over.set()

    def read(reverse: bool) -> None:
        while not is_over.is_set():
            rows = list(engine.scan(prefix=b"row ", reverse=reverse))
            assert [key for key, _ in rows] == sorted(keys, reverse=reverse)
            assert len({number_in(value) for _, value in rows}) == 1

    fill(1)
    run_together(write, lambda: read(False), lambda: read(True))


def test_transfers_keep_the_sum(engine: kiwi_engine.Engine) -> None:
    accounts = [b"account %d" % number for number in range(6)]
    for account in accounts:
        engine.put(account, b"100")
    is_over = threading.Event()

    def balance(reader: kiwi_engine.Engine | kiwi_engine.Transaction, account: bytes) -> int:
        value = reader.get(account)
        assert value is not None
        return int(value)

    def transfer(seed: int) -> None:
        chosen = random.Random(seed)
        try:
            for _ in range(60):
                source, target = chosen.sample(accounts, 2)

                def move(
                    transaction: kiwi_engine.Transaction,
                    source: bytes = source,
                    target: bytes = target,
                ) -> None:
                    amount = min(balance(transaction, source), 10)
                    transaction.put(source, b"%d" % (balance(transaction, source) - amount))
                    transaction.put(target, b"%d" % (balance(transaction, target) + amount))

                engine.transact(move, attempts=1000)
        finally:
            is_over.set()

    def audit() -> None:
        while not is_over.is_set():
            total = sum(int(value) for _, value in engine.scan(prefix=b"account"))
            assert total == 600
            try:
                with engine.transaction() as transaction:
                    assert sum(balance(transaction, account) for account in accounts) == 600
            except kiwi_engine.TransactionConflictError:
                pass

    run_together(*[lambda seed=seed: transfer(seed) for seed in range(4)], audit)
    assert sum(balance(engine, account) for account in accounts) == 600


def test_increments_are_not_lost(engine: kiwi_engine.Engine) -> None:
    def increment(transaction: kiwi_engine.Transaction) -> None:
        transaction.put(b"n", b"%d" % (int(transaction.get(b"n") or b"0") + 1))

    def work() -> None:
        for _ in range(40):
            engine.transact(increment, attempts=10_000)

    run_together(*[work] * 6)
    assert engine.get(b"n") == b"240"


def rows_of(engine: kiwi_engine.Engine) -> list[tuple[bytes, bytes]]:
    return list(engine.scan())


def test_closing_ends_every_call(tmp_path: Path) -> None:
    """Whatever is under way when the engine is closed ends, with its result or the error."""
    for attempt in range(10):
        engine = kiwi_engine.open(tmp_path / f"data {attempt}", **TINY)
        engine.put(b"key", padded(3))
        is_working = threading.Barrier(5)

        def work(call: Callable[[], object], is_working: threading.Barrier = is_working) -> None:
            is_working.wait()
            with pytest.raises(kiwi_engine.EngineClosedError):
                while True:
                    call()

        def close(
            engine: kiwi_engine.Engine = engine, is_working: threading.Barrier = is_working
        ) -> None:
            is_working.wait()
            engine.close()

        snapshot = engine.snapshot()
        calls: list[Callable[[], object]] = [
            partial(engine.put, b"key", padded(6)),
            partial(engine.get, b"absent"),
            partial(snapshot.get, b"key"),
            partial(rows_of, engine),
        ]
        run_together(*[lambda call=call: work(call) for call in calls], close)
