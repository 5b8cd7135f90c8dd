"""Every kind of call, interrupted at each moment: nothing hangs, nothing is half, nothing is lost.

One engine lives through all interrupts of a kind of call. After each of them another thread looks
at everything, compares it with a model, and writes.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import kiwi_engine
from kiwi_engine.clock import sleep
from kiwi_engine.engine.drain import Drained
from kiwi_engine.engine.overlay import Generation
from tests.commit.fakes import wait_until
from tests.embedded.gate import Call, Gate
from tests.embedded.interrupting import Interrupter
from tests.embedded.options import TINY
from tests.embedded.sweep_calls import LONG_SCANS, MEETING_OTHERS, READS, UPKEEP, WRITES, Kind
from tests.embedded.sweep_world import World, updated, world_at

pytestmark = pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="looks for signals elsewhere than CPython 3.11 to 3.13"
)

# So many moments are taken one after the other, then fewer and fewer of them.
_EACH_MAX: Final = 60
_SHARE: Final = 5


def _moments() -> Iterator[Interrupter]:
    """Until one is over: its call had not so many moments."""
    moment = 1
    while True:
        interrupter = Interrupter(moment)
        yield interrupter
        if interrupter.is_over:
            return
        moment += 1 + max(0, moment - _EACH_MAX) // _SHARE


def _name(kind: Kind) -> str:
    return kind.name


def _interrupt(world: World, kind: Kind, interrupter: Interrupter) -> None:
    try:
        interrupter.run(lambda: kind.call(world))
    except KeyboardInterrupt:
        # The traceback, and with it every frame of the call, is alive here.
        assert "read" not in world.engine._driver.engine.pins.counts(), "`close` would wait"


def _sweep(world: World, kind: Kind) -> int:
    """Interrupt a call at its moments, one after the other; returns at how many."""
    count = 0
    for interrupter in _moments():
        count += 1
        world.prepare()
        before, after = world.rows, updated(world.rows, kind.changes(world))
        try:
            _interrupt(world, kind, interrupter)
            world.check(*([after] if interrupter.is_over else [before, after]))
        except Exception as error:
            raise AssertionError(f"{interrupter}: {error}") from error
    return count


@pytest.mark.parametrize("kind", [*WRITES, *READS, *UPKEEP], ids=_name)
def test_interrupted_calls(tmp_path: Path, kind: Kind) -> None:
    with world_at(tmp_path) as world:
        assert _sweep(world, kind) > 5


@pytest.mark.parametrize("kind", LONG_SCANS, ids=_name)
def test_interrupted_long_scans(tmp_path: Path, kind: Kind) -> None:
    with world_at(tmp_path, drain_max_entries=100) as world:
        batch = kiwi_engine.WriteBatch()
        for number in range(300):
            batch.put(b"k%03d" % number, b"x")
            world.rows[b"k%03d" % number] = b"x"
        world.engine.write(batch)
        assert _sweep(world, kind) > 30


def test_interrupted_counts_while_drains_take_long(tmp_path: Path) -> None:
    """A count waits for the drain that is under way, and has it merged."""
    with world_at(tmp_path) as world:
        drainer = world.engine._driver.engine.housekeeping.drainer
        drain = drainer.drain

        def drain_slowly(generation: Generation, applied_lsn: int) -> Drained:
            sleep(0.004)
            return drain(generation, applied_lsn)

        drainer.drain = drain_slowly  # type: ignore[method-assign]
        (kind,) = (kind for kind in READS if kind.name == "count")
        assert _sweep(world, kind) > 5


@pytest.mark.parametrize("kind", MEETING_OTHERS, ids=_name)
def test_interrupted_calls_while_others_wait(tmp_path: Path, kind: Kind) -> None:
    """One group is on its way to the device, another waits: the call may take that one back."""
    with world_at(tmp_path, appendfsync="always") as world:
        for interrupter in _moments():
            try:
                _meet_others(world, kind, interrupter)
            except Exception as error:
                raise AssertionError(f"{interrupter}: {error}") from error


def _meet_others(world: World, kind: Kind, interrupter: Interrupter) -> None:
    world.prepare()
    gate, is_over = Gate(world.engine), threading.Event()
    first = Call(lambda: world.engine.put(b"o/1", world.text))
    assert gate.is_waiting.wait(30)
    second = Call(lambda: world.engine.put(b"o/2", world.text))
    wait_until(lambda: len(world.engine._driver.waiters) == 2)
    opener = Call(lambda: _open_when_awaited(gate, world, is_over))
    without = updated(world.rows, {b"o/1": world.text})
    world.rows = before = updated(without, {b"o/2": world.text})
    allowed = [updated(before, kind.changes(world))]
    _interrupt(world, kind, interrupter)
    is_over.set()
    opener.get()
    if not interrupter.is_over:
        allowed.append(before)
    first.get()
    try:
        second.get()
    except kiwi_engine.UnknownOutcomeError:
        assert not interrupter.is_over, "nobody was interrupted"
        allowed.append(without)
    world.check(*allowed)


def _open_when_awaited(gate: Gate, world: World, is_over: threading.Event) -> None:
    """Or when the call has ended without waiting."""
    wait_until(lambda: len(world.engine._driver.waiters) > 2 or is_over.is_set())
    gate.remove()


def test_an_interrupted_close_goes_on(tmp_path: Path) -> None:
    """And closing once more waits for its end, so that the directory is free."""
    for interrupter in _moments():
        engine = kiwi_engine.open(tmp_path, **TINY)
        engine.put(b"key", b"value")
        try:
            interrupter.run(engine.close)
        except KeyboardInterrupt:
            engine.close()
        with pytest.raises(kiwi_engine.EngineClosedError):
            engine.get(b"key")
    with kiwi_engine.open(tmp_path, **TINY) as again:
        assert again.get(b"key") == b"value"
        assert again.statistics().records_replayed == 0


@pytest.mark.parametrize("where", ["driver.watch", "engine.Present"])
def test_what_was_opened_when_it_was_interrupted_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def interrupt(owner: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"kiwi_engine.embedded.{where}", interrupt)
        with pytest.raises(KeyboardInterrupt):
            kiwi_engine.open(tmp_path, **TINY)
    wait_until(lambda: _can_be_opened(tmp_path))


def _can_be_opened(path: Path) -> bool:
    try:
        kiwi_engine.open(path, **TINY).close()
    except kiwi_engine.LockedError:
        return False
    return True
