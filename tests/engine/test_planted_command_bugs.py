"""The sweep of commands finds commands that are not atomic, and changes that are forgotten."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kiwi_engine.engine.store import Store
from kiwi_engine.keyspace.spread import reclaim
from tests.engine import command_sweep
from tests.engine.command_sweep import CommandSweep
from tests.sweeps.judged import ViolationError

SEEDS = range(40, 70)


def is_found() -> bool:
    for seed in SEEDS:
        try:
            CommandSweep(seed, every=20).run(lives=2, steps=150)
        except (ViolationError, AssertionError):
            return True
    return False


def test_a_command_whose_changes_are_in_two_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    life = command_sweep._Life
    request: Callable[[command_sweep._Life], None] = life._request
    put = Store.put

    def request_in_parts(self: command_sweep._Life) -> None:
        engine, puts = self._engine, 0

        def put_and_end(store: Store, key: bytes, value: bytes) -> None:
            nonlocal puts
            put(store, key, value)
            puts += 1
            if puts == 2 and store is engine.store:
                engine.end()
                engine.begin()

        with monkeypatch.context() as patch:
            patch.setattr(self._ours.store, "put", put_and_end.__get__(engine.store))
            patch.setattr(
                self._ours.keyspace.database(0), "_put", put_and_end.__get__(engine.store)
            )
            request(self)

    monkeypatch.setattr(life, "_request", request_in_parts)
    assert is_found()


def test_reclaiming_without_a_look_at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reclaim.Reclaimer, "_lives", lambda self, version, home: False)
    assert is_found()
