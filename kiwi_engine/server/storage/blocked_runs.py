"""Runs whose one command waits until another client gives it something (pure).

Who waits longest for a key is served first. A key that changes is *ready*: the storage runtime then
looks whether something of the right kind lives there, and runs the commands of those who wait for
it again, one after the other, as long as there is something. All of it takes time that depends on
how many are served, not on how many wait; only looking past those who go on waiting costs a step
for each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

import msgspec

from kiwi_engine.commands.blocking import WouldBlock

# The heap of deadlines is made anew when so many of its entries, and more than half, are of runs
# that are gone.
_STALE_MAX: Final = 64


class Place(NamedTuple):
    """A key of a database."""

    db: int
    key: bytes


class BlockedRun(msgspec.Struct, gc=False):
    """`words` are those of its command, to be run again; `deadline_ns` 0: it waits for ever.

    `alike`: a run that is equal in this, too, is not served either once this one was not.
    """

    id: int
    source: int
    db: int
    resp3: bool
    words: list[bytes]
    user: str
    flags: int
    deadline_ns: int
    places: tuple[Place, ...]
    kind: int
    on_timeout: bytes
    wants_absence: bool = False
    alike: object = None


def blocked_run(
    identity: int,
    source: int,
    db: int,
    resp3: bool,
    user: str,
    flags: int,
    arrived_ns: int,
    wait: WouldBlock,
) -> BlockedRun:
    """A run whose command has raised `wait`."""
    return BlockedRun(
        identity,
        source,
        db,
        resp3,
        wait.words,
        user,
        flags,
        arrived_ns + wait.timeout_ms * 1_000_000 if wait.timeout_ms else 0,
        tuple(Place(db, key) for key in dict.fromkeys(wait.keys)),
        wait.kind,
        wait.on_timeout,
        wait.unblocks_without_key,
        wait.alike,
    )


# Ordered by arrival; taken from the front, which takes time with a plain dict.
_Queue = OrderedDict[int, BlockedRun]


class _Waiters:
    """Who waits for one key, by kind of value; `for_absence` are also among those."""

    __slots__ = ("by_kind", "for_absence")

    def __init__(self) -> None:
        self.by_kind: dict[int, _Queue] = {}
        self.for_absence: _Queue = OrderedDict()


class BlockedRuns:
    """Owned by the executing thread. A connection has at most one run in here."""

    def __init__(self) -> None:
        self._waiters: dict[tuple[int, bytes], _Waiters] = {}
        self._by_source: dict[int, BlockedRun] = {}
        self._deadlines: list[tuple[int, int, BlockedRun]] = []
        self._places_for_absence = 0
        # Keys that have changed, in the order of their first change.
        self.ready: dict[tuple[int, bytes], None] = {}

    def __len__(self) -> int:
        return len(self._by_source)

    @property
    def key_count(self) -> int:
        """How many keys somebody waits for."""
        return len(self._waiters)

    @property
    def absence_count(self) -> int:
        """How many of those somebody also wants to see gone."""
        return self._places_for_absence

    def add(self, run: BlockedRun) -> None:
        """Behind all others."""
        assert run.source not in self._by_source, "its later commands are held back"
        self._by_source[run.source] = run
        for place in run.places:
            waiters = self._waiters.get(place)
            if waiters is None:
                waiters = self._waiters[place] = _Waiters()
            waiters.by_kind.setdefault(run.kind, OrderedDict())[run.id] = run
            if run.wants_absence:
                self._places_for_absence += not waiters.for_absence
                waiters.for_absence[run.id] = run
        if run.deadline_ns:
            heappush(self._deadlines, (run.deadline_ns, run.id, run))

    def remove(self, run: BlockedRun) -> None:
        """It is answered, or nobody wants the answer any more."""
        del self._by_source[run.source]
        for place in run.places:
            waiters = self._waiters[place]
            queue = waiters.by_kind[run.kind]
            del queue[run.id]
            if run.wants_absence:
                del waiters.for_absence[run.id]
                self._places_for_absence -= not waiters.for_absence
            if not queue:
                del waiters.by_kind[run.kind]
                if not waiters.by_kind:
                    del self._waiters[place]
        if len(self._deadlines) > 2 * len(self._by_source) + _STALE_MAX:
            self._deadlines = [entry for entry in self._deadlines if self.waits(entry[2])]
            heapify(self._deadlines)

    def waits(self, run: BlockedRun) -> bool:
        """Whether `run` is still in here."""
        return self._by_source.get(run.source) is run

    def of_source(self, source: int) -> BlockedRun | None:
        """The run of a connection that waits, if one does."""
        return self._by_source.get(source)

    def sources(self) -> list[int]:
        """The connections that wait."""
        return list(self._by_source)

    def all(self) -> list[BlockedRun]:
        """Those that wait, in the order of their arrival."""
        return list(self._by_source.values())

    def pop_late(self, now_ns: int) -> BlockedRun | None:
        """Remove a run whose time is over, the earliest first; None if there is none."""
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now_ns:
            run = heappop(deadlines)[2]
            if self.waits(run):
                self.remove(run)
                return run
        return None

    # ---- keys that change

    def touched(self, db: int, key: bytes) -> None:
        """A key may have something for those who wait for it, or be gone."""
        place = (db, key)
        if place in self._waiters:
            self.ready[place] = None

    def flushed(self, databases: Iterable[int]) -> None:
        """As if each key of these databases had changed."""
        changed = set(databases)
        self.ready.update(dict.fromkeys(place for place in self._waiters if place[0] in changed))

    def pop_ready(self) -> Place | None:
        """The key that changed first."""
        for place in self.ready:
            del self.ready[place]
            return Place(*place)
        return None

    def candidates(self, place: Place, kind: int | None) -> Iterator[BlockedRun]:
        """Who may be served while a value of `kind` (None: nothing) lives at `place`, in order.

        Who takes one removes it, or leaves it to wait on, before the next step.
        """
        waiters = self._waiters.get(place)
        if waiters is None:
            return
        if kind is not None and (queue := waiters.by_kind.get(kind)) is not None:
            yield from self._each(queue)
        # Those who want it gone have been asked already if it is of their kind.
        for run in self._each(waiters.for_absence):
            if run.kind != kind:
                yield run

    def _each(self, queue: _Queue) -> Iterator[BlockedRun]:
        """From the front; as soon as one waits on, over a copy of those behind it."""
        while queue:
            run = next(iter(queue.values()))
            yield run
            if self.waits(run):
                break
        for run in list(queue.values())[1:]:
            if self.waits(run):
                yield run
