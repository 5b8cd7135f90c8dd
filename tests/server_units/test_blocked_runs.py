"""Who waits for what, and in which order: by example, and against a simple model."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kiwi_engine.commands.blocking import WouldBlock
from kiwi_engine.keyspace.encoding import LIST_KIND, SORTED_SET_KIND, STREAM_KIND
from kiwi_engine.server.storage.blocked_runs import BlockedRun, BlockedRuns, Place, blocked_run

KINDS = (LIST_KIND, SORTED_SET_KIND, STREAM_KIND)


def waiting(
    identity: int,
    *keys: bytes,
    kind: int = LIST_KIND,
    db: int = 0,
    deadline_ns: int = 0,
    wants_absence: bool = False,
) -> BlockedRun:
    """A run of a connection with the same number."""
    places = tuple(Place(db, key) for key in keys)
    return BlockedRun(
        identity, identity, db, False, [], "", 0, deadline_ns, places, kind, b"", wants_absence
    )


def candidates(runs: BlockedRuns, key: bytes, kind: int | None, db: int = 0) -> list[int]:
    """Who is offered what lives at `key` if all of them wait on."""
    return [run.id for run in runs.candidates(Place(db, key), kind)]


def test_a_run_is_made_of_what_its_command_said() -> None:
    wait = WouldBlock([b"BLPOP"], (b"b", b"a", b"b"), LIST_KIND, 3, b"nothing")
    run = blocked_run(7, 8, 2, True, "user", 16, 1000, wait)
    assert (run.id, run.source, run.words, run.on_timeout) == (7, 8, [b"BLPOP"], b"nothing")
    assert run.places == (Place(2, b"b"), Place(2, b"a"))
    assert run.deadline_ns == 3_001_000
    wait.timeout_ms = 0
    assert blocked_run(7, 8, 2, True, "user", 16, 1000, wait).deadline_ns == 0


def test_who_came_first_is_offered_first_until_someone_takes_nothing() -> None:
    runs = BlockedRuns()
    for identity in range(6):
        runs.add(waiting(identity, b"k", b"other"))
    offered = []
    for run in runs.candidates(Place(0, b"k"), LIST_KIND):
        offered.append(run.id)
        if run.id != 2:
            runs.remove(run)
    assert offered == [0, 1, 2, 3, 4, 5]
    assert candidates(runs, b"other", LIST_KIND) == [2]


def test_only_who_waits_for_that_kind_is_offered_it() -> None:
    runs = BlockedRuns()
    runs.add(waiting(1, b"k", kind=SORTED_SET_KIND))
    runs.add(waiting(2, b"k"))
    runs.add(waiting(3, b"k", kind=STREAM_KIND, wants_absence=True))
    runs.add(waiting(4, b"k", kind=STREAM_KIND))
    runs.add(waiting(5, b"k", db=1))
    assert candidates(runs, b"k", LIST_KIND) == [2, 3]
    assert candidates(runs, b"k", SORTED_SET_KIND) == [1, 3]
    assert candidates(runs, b"k", STREAM_KIND) == [3, 4]
    assert candidates(runs, b"k", None) == [3]
    assert candidates(runs, b"k", LIST_KIND, db=1) == [5]
    assert candidates(runs, b"nobody's", LIST_KIND) == []
    assert (len(runs), runs.key_count, runs.absence_count) == (5, 2, 1)


def test_keys_are_ready_in_the_order_of_their_changes_and_once() -> None:
    runs = BlockedRuns()
    runs.touched(0, b"a")
    runs.add(waiting(1, b"a", b"b"))
    runs.add(waiting(2, b"a", db=3))
    for db, key in ((0, b"b"), (0, b"c"), (0, b"a"), (0, b"b")):
        runs.touched(db, key)
    assert [runs.pop_ready() for _ in range(3)] == [Place(0, b"b"), Place(0, b"a"), None]
    runs.flushed(range(1, 16))
    assert [runs.pop_ready() for _ in range(2)] == [Place(3, b"a"), None]


def test_those_whose_time_is_over_go_the_earliest_first() -> None:
    runs = BlockedRuns()
    for identity, deadline_ns in enumerate((0, 30, 10, 20, 40)):
        runs.add(waiting(identity, b"k", deadline_ns=deadline_ns))
    gone = runs.of_source(3)
    assert gone is not None
    runs.remove(gone)
    assert runs.pop_late(9) is None
    late = [run.id for _ in range(3) if (run := runs.pop_late(30)) is not None]
    assert late == [2, 1]
    assert [run.id for run in runs.all()] == [0, 4]


def test_deadlines_of_those_who_were_served_are_forgotten() -> None:
    runs = BlockedRuns()
    runs.add(waiting(1, b"k", deadline_ns=1 << 60))
    for identity in range(2, 5000):
        run = waiting(identity, b"k", deadline_ns=1 << 62)
        runs.add(run)
        runs.remove(run)
    assert len(runs._deadlines) < 100
    assert runs.pop_late(1 << 61) is not None


def test_a_long_queue_is_served_without_looking_at_all_of_it() -> None:
    """Steps are counted by what is looked up, so that no clock decides."""
    runs = BlockedRuns()
    count = 20_000
    for identity in range(count):
        runs.add(waiting(identity, b"k"))
    looked_at = 0
    original = runs.waits

    def waits(run: BlockedRun) -> bool:
        nonlocal looked_at
        looked_at += 1
        return original(run)

    runs.waits = waits  # type: ignore[method-assign]
    for expected in range(count):
        run = next(runs.candidates(Place(0, b"k"), LIST_KIND))
        assert run.id == expected
        runs.remove(run)
    assert looked_at == 0


class Comparison(RuleBasedStateMachine):
    """The model is the list of those who wait, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = BlockedRuns()
        self.model: list[BlockedRun] = []
        self.next_id = 1

    @rule(
        keys=st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=3, unique=True),
        kind=st.sampled_from(KINDS),
        deadline_ns=st.integers(0, 5),
        db=st.integers(0, 1),
        wants_absence=st.booleans(),
    )
    def wait(
        self, keys: list[bytes], kind: int, deadline_ns: int, db: int, wants_absence: bool
    ) -> None:
        run = waiting(
            self.next_id,
            *keys,
            kind=kind,
            db=db,
            deadline_ns=deadline_ns,
            wants_absence=wants_absence,
        )
        self.next_id += 1
        self.runs.add(run)
        self.model.append(run)

    @rule(
        key=st.sampled_from([b"a", b"b", b"c"]),
        db=st.integers(0, 1),
        kind=st.sampled_from([None, *KINDS]),
        takes=st.lists(st.booleans(), min_size=20, max_size=20),
    )
    def serve(self, key: bytes, db: int, kind: int | None, takes: list[bool]) -> None:
        place = Place(db, key)
        there = [run for run in self.model if place in run.places]
        expected = [run for run in there if run.kind == kind]
        expected += [run for run in there if run.wants_absence and run.kind != kind]
        offered = []
        for number, run in enumerate(self.runs.candidates(place, kind)):
            offered.append(run)
            if takes[number % len(takes)]:
                self.runs.remove(run)
                self.model.remove(run)
        assert offered == expected

    @rule(now_ns=st.integers(0, 6))
    def time_passes(self, now_ns: int) -> None:
        while (run := self.runs.pop_late(now_ns)) is not None:
            earliest = min(other.deadline_ns for other in self.model if other.deadline_ns)
            assert 0 < run.deadline_ns == earliest <= now_ns
            self.model.remove(run)
        assert not [run for run in self.model if 0 < run.deadline_ns <= now_ns]

    @rule(number=st.integers(0, 100))
    def go_away(self, number: int) -> None:
        if self.model:
            run = self.model.pop(number % len(self.model))
            assert self.runs.of_source(run.source) is run
            self.runs.remove(run)
            assert self.runs.of_source(run.source) is None

    @rule(key=st.sampled_from([b"a", b"b", b"c"]), db=st.integers(0, 1))
    def touch(self, key: bytes, db: int) -> None:
        self.runs.touched(db, key)
        place = Place(db, key)
        assert place in self.runs.ready or not any(place in run.places for run in self.model)

    @invariant()
    def counts_agree(self) -> None:
        assert self.runs.all() == self.model
        assert len(self.runs) == len(self.model)
        assert self.runs.key_count == len({p for run in self.model for p in run.places})
        for_absence = {p for run in self.model if run.wants_absence for p in run.places}
        assert self.runs.absence_count == len(for_absence)


TestComparison = Comparison.TestCase
TestComparison.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
