"""Clients whose writes tell, from any state of the server, whether it is a prefix of its log.

Each connection alternates between INCR of one shared counter and SET of a key of its own. The reply
to an INCR is its place among all of them. So a counter of S says of every connection, exactly, that
its INCRs up to reply S were made, with all SETs before the last of them, and perhaps the one after.
"""

from __future__ import annotations

import threading
from random import Random
from typing import Final

from kiwi_engine import clock
from tests.support.client import Client

COUNTER: Final = "counter"
_KEYS: Final = 300
_PAIRS_A_TURN: Final = 16


class Writer(threading.Thread):
    """One connection; `places` are the replies to its INCRs, all of them acknowledged.

    `turns`: (monotonic clock, duration) of each pipeline that was answered, in nanoseconds.
    """

    def __init__(self, port: int, number: int) -> None:
        super().__init__(name=f"writer {number}", daemon=True)
        self.number = number
        self.places: list[int] = []
        self.turns: list[tuple[int, int]] = []
        self.failure: BaseException | None = None
        self._port = port
        self._ending = threading.Event()

    def run(self) -> None:
        try:
            with Client(self._port) as client:
                while not self._ending.is_set():
                    begin = len(self.places)
                    commands: list[tuple[str | bytes, ...]] = []
                    for step in range(begin, begin + _PAIRS_A_TURN):
                        commands += [("INCR", COUNTER), ("SET", self.key(step), self.value(step))]
                    began_ns = clock.monotonic_ns()
                    replies = client.pipeline(commands)
                    self.turns.append((began_ns, clock.monotonic_ns() - began_ns))
                    assert set(replies[1::2]) == {b"OK"}, replies
                    self.places += replies[::2]
        except (OSError, AssertionError) as failure:
            self.failure = failure

    def stop(self) -> None:
        self._ending.set()
        self.join(30)
        assert not self.is_alive(), "the server answers"
        if self.failure is not None:
            raise self.failure

    def key(self, step: int) -> str:
        """The key of the SET number `step`."""
        return f"{self.number}:{step % _KEYS}"

    def value(self, step: int) -> bytes:
        """Every fourth goes to the value log."""
        filler = Random(self.number * 1_000_003 + step).randbytes(3000) if step % 4 == 0 else b""
        return b"%d:" % step + filler

    def state_after(self, sets: int) -> dict[str, bytes]:
        """This connection's keys after so many of its SETs."""
        return {self.key(step): self.value(step) for step in range(max(0, sets - _KEYS), sets)}


class PrefixLoad:
    """Some writers against the server at `port`."""

    def __init__(self, port: int, writers: int) -> None:
        self.writers = [Writer(port, number) for number in range(writers)]
        for writer in self.writers:
            writer.start()

    @property
    def acknowledged(self) -> int:
        """INCRs that were answered so far, at least."""
        return sum(len(writer.places) for writer in self.writers)

    def stop(self) -> None:
        """End all of them; every write is acknowledged then."""
        for writer in self.writers:
            writer.stop()

    def judge(self, client: Client, at_least: int) -> int:
        """Check the state that `client` sees, after `stop`; returns its counter.

        `at_least`: INCRs that must be in it.
        """
        counter = int(client.command("GET", COUNTER) or 0)
        assert counter >= at_least, f"{at_least} INCRs were acknowledged before, found {counter}"
        keys = 1
        for writer in self.writers:
            made = sum(place <= counter for place in writer.places)
            found = {key: client.command("GET", key) for key in _all_keys(writer)}
            found = {key: value for key, value in found.items() if value is not None}
            states = [writer.state_after(sets) for sets in (made - 1, made) if sets >= 0]
            assert found in states, f"{writer.name} is not as after {made} of its INCRs"
            keys += len(found)
        assert client.command("DBSIZE") == keys
        return counter


def _all_keys(writer: Writer) -> list[str]:
    return [writer.key(step) for step in range(_KEYS)]
