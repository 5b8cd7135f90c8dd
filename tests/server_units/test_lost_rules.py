"""What becomes of lost runs, against the rules of decision 0014 said once more, slowly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.channel.frames import RunFlags
from kiwi_engine.server.network.lost_runs import (
    READ_TOO_LATE,
    UNKNOWN_OUTCOME,
    Touched,
    answers_without_storage,
    still_waiting,
)
from kiwi_engine.server.network.slots import ReplyLine, Slot

KEYS = st.sampled_from(["a", "b", "c", "d"])
LINES = 3
# (connection, its commands: whether each writes, whether they are one unit)
RUNS = st.lists(
    st.tuples(
        st.integers(0, LINES - 1), st.lists(st.booleans(), min_size=1, max_size=4), st.booleans()
    ),
    max_size=8,
)


@given(RUNS)
def test_answers(runs: list[tuple[int, list[bool], bool]]) -> None:
    lines = [ReplyLine(lambda encoded: None) for _ in range(LINES)]
    slots = []
    for connection, kinds, is_unit in runs:
        commands = [[b"set", b"k", b"v"] if writes else [b"get", b"k"] for writes in kinds]
        slots.append(Slot(lines[connection], commands))
        slots[-1].flags = RunFlags.ATOMIC if is_unit else 0
    for place, (found, (connection, kinds, is_unit)) in enumerate(
        zip(answers_without_storage(slots), runs, strict=True)
    ):
        behind = any(any(writes) for line, writes, _ in runs[place + 1 :] if line == connection)
        expected: list[bytes | None] = []
        for at, writes in enumerate(kinds):
            if writes or (is_unit and any(kinds)):
                expected.append(UNKNOWN_OUTCOME)
            elif behind or any(kinds[at + 1 :]):
                expected.append(READ_TOO_LATE)
            else:
                expected.append(None)
        assert found == (expected[:1] if is_unit else expected)


# (its keys, whether it is known to wait, its database)
WAITERS = st.lists(
    st.tuples(
        st.lists(KEYS, min_size=2, max_size=2, unique=True), st.booleans(), st.integers(0, 1)
    ),
    max_size=8,
)


@given(WAITERS, st.lists(st.tuples(KEYS, st.integers(0, 1)), max_size=3))
def test_who_goes_on_waiting(
    waiters: list[tuple[list[str], bool, int]], written: list[tuple[str, int]]
) -> None:
    touched = Touched()
    blocked = []
    for key, db in written:
        touched.add(Slot(ReplyLine(lambda encoded: None), [[b"rpush", key.encode(), b"x"]], db))
    for (source, target), is_known, db in waiters:
        words = [b"blmove", source.encode(), target.encode(), b"left", b"left", b"0"]
        blocked.append((Slot(ReplyLine(lambda encoded: None), [words], db), is_known))
    kept = still_waiting(blocked, touched)

    # Doubt spreads from the writes, and from those who may not have waited, over shared keys.
    doubtful = {(db, key) for key, db in written}
    doubtful |= {(db, key) for keys, is_known, db in waiters if not is_known for key in keys}
    for _ in waiters:
        for keys, _known, db in waiters:
            if any((db, key) in doubtful for key in keys):
                doubtful |= {(db, key) for key in keys}
    expected = [
        slot
        for (slot, is_known), (keys, _, db) in zip(blocked, waiters, strict=True)
        if is_known and not any((db, key) in doubtful for key in keys)
    ]
    assert kept == expected
    assert touched.keys == {(db, key.encode()) for db, key in doubtful}
