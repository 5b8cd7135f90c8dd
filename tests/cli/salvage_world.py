"""Directories with a known history, and what a salvage makes of them."""

from __future__ import annotations

import json
import random
import shutil
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from kiwi_engine.cli import recover
from kiwi_engine.cli.main import main
from kiwi_engine.cli.salvage import KEY_RULES
from kiwi_engine.commit.policy import BatchLimits
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.salvage.salvage import salvage_directory
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.keyspace.encoding import keys_counter
from kiwi_engine.keyspace.keyspace import Keyspace
from tests.cli.data_directory import SETTINGS, commit, fingerprint, open_engine

SMALL = msgspec.structs.replace(SETTINGS, sync_mode="no", batch=BatchLimits(7, 1 << 20, 0))
NOW_MS = 1_800_000_000_000
State = dict[bytes, tuple[bytes, int]]


class Made(NamedTuple):
    """A directory, and what database 0 held after each LSN: key -> (value, deadline)."""

    path: Path
    states: list[State]


def make(
    path: Path, *, groups: int, rounds: int = 1, crash: bool, seed: int = 5, flushes: bool = True
) -> Made:
    """Random writes and deletions, small and large values, a FLUSHDB now and then.

    Between two rounds there is an orderly stop; `crash` leaves the last round to the log.
    """
    chance = random.Random(seed)
    running = path.with_name(path.name + "-running")
    states: list[State] = [{}]
    for number in range(rounds):
        engine = open_engine(running)
        for _ in range(groups):
            change_something(engine, chance, states, flushes)
        if crash and number + 1 == rounds:
            shutil.copytree(running, path)
        engine.close()
    if not crash:
        shutil.copytree(running, path)
    return Made(path, states)


def change_something(
    engine: Engine, chance: random.Random, states: list[State], flushes: bool
) -> None:
    """One group; its LSN is its place in `states`."""
    keyspace = Keyspace(engine.store)
    state = dict(states[-1])

    def write() -> None:
        database = keyspace.database(0)
        if flushes and len(state) > 40 and chance.random() < 0.02:
            keyspace.flush([0])
            state.clear()
        for _ in range(chance.randint(1, 4)):
            key = b"key%d" % chance.randrange(60)
            kind = chance.random()
            if kind < 0.2:
                database.delete(key, NOW_MS)
                state.pop(key, None)
            value = chance.randbytes(1500 if kind > 0.8 else 40)
            deadline_ms = NOW_MS + 10**9 if 0.5 < kind < 0.6 else 0
            database.set_expiring(key, value, deadline_ms)
            state[key] = (value, deadline_ms)

    commit(engine, write)
    states.append(state)


def content(path: Path) -> State:
    """Everything in database 0; DBSIZE must agree, and each deadline must be in its index."""
    engine = Engine.open(str(path), SETTINGS, KEY_RULES.tally, lambda replies, failure: None)
    try:
        database = Keyspace(engine.store).database(0)
        found: State = {}
        for number in range(60):
            value, deadline_ms = database.get_with_deadline(b"key%d" % number, NOW_MS)
            if value is not None:
                found[b"key%d" % number] = (value, deadline_ms)
        assert engine.store.count(keys_counter(database.namespace)) == len(found)
        assert len(list(database.walk(0))) == len(found)
        expiring = {key[13:] for key, _ in engine.store.range(b"x", b"y")}
        assert {key for key, (_, deadline_ms) in found.items() if deadline_ms} <= expiring
        return found
    finally:
        engine.close()


class Outcome(NamedTuple):
    code: int
    report: dict[str, Any]
    state: State
    lost: list[dict[str, Any]]

    def findings(self, severity: str) -> list[str]:
        return [one["path"] for one in self.report["findings"] if one["severity"] == severity]


def use_settings(monkeypatch: pytest.MonkeyPatch, settings: EngineSettings) -> None:
    salvage = partial(salvage_directory, settings=settings)
    monkeypatch.setattr(recover, "salvage_directory", salvage)


def salvage(path: Path, capsys: pytest.CaptureFixture[str]) -> Outcome:
    target = path.with_name(path.name + "-salvaged")
    before = fingerprint(path)
    code = main(["recover", str(path), "--salvage", str(target), "--json"])
    printed = capsys.readouterr().out
    assert fingerprint(path) == before
    report = json.loads(printed)
    assert report.pop("exit_code") == code
    assert json.loads((target / "SALVAGE.json").read_text()) == report
    assert not target.with_name(target.name + ".partial").exists()
    lost_file = target / "SALVAGE-LOST.jsonl"
    lost = (
        [json.loads(line) for line in lost_file.read_text().splitlines()]
        if (lost_file.exists())
        else []
    )
    counts = ("lost_key_count", "lost_range_count", "mended_count")
    assert len(lost) == sum(report[name] for name in counts)
    assert main(["recover", str(target), "--verify"]) == 0
    capsys.readouterr()
    state = content(target)
    assert report["stored_keys"] == len(state)
    shutil.rmtree(target)
    return Outcome(code, report, state, lost)


def refused(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code and the reason; nothing may have been made."""
    before = fingerprint(path.parent)
    code = main(["recover", str(path), "--salvage", str(path.with_name("target"))])
    assert fingerprint(path.parent) == before
    return code, capsys.readouterr().err
