"""Replies leave in the order of their requests, whoever answers them and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.server.network.slots import ReplyLine, Slot


def new_line() -> tuple[ReplyLine, list[bytes]]:
    written: list[bytes] = []
    return ReplyLine(written.append), written


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
def test_any_order_of_answers_gives_one_order_of_replies(
    answers: list[int], silent: set[int]
) -> None:
    line, written = new_line()
    slots = [Slot(line, []) for _ in answers]
    for number, slot in enumerate(slots):
        slot.is_silent = number in silent
        line.append(slot)
    answered: set[int] = set()
    for number in answers:
        slots[number].complete(b"%d" % number)
        answered.add(number)
        through = next((n for n in range(8) if n not in answered), 8)
        assert b"".join(written) == b"".join(b"%d" % n for n in range(through) if n not in silent)
        assert len(line) == 8 - through


def test_the_writer_hears_of_a_silent_reply_too() -> None:
    """A connection that is to close after its last reply would stay open for ever."""
    line, written = new_line()
    slot = Slot(line, [])
    slot.is_silent = True
    line.append(slot)
    slot.complete(b"+OK\r\n")
    assert written == [b""]
    assert len(line) == 0


COMMANDS = st.lists(st.sampled_from([b"r", b"w"]), min_size=1, max_size=6)


@given(COMMANDS, st.lists(COMMANDS, max_size=3), st.booleans())
def test_a_split_run_keeps_its_place_and_its_order(
    kinds: list[bytes], others: list[list[bytes]], silent: bool
) -> None:
    """`r` is asked again and answered later, `w` is answered by the split."""
    line, written = new_line()
    before, slot = Slot(line, []), Slot(line, [[kind] for kind in kinds], 3, True, 100)
    slot.deadline_ns, slot.is_silent = 77, silent
    behind = [Slot(line, [[kind] for kind in other]) for other in others]
    for each in (before, slot, *behind):
        line.append(each)
    kept = slot.split([None if kind == b"r" else b"U" for kind in kinds])
    assert [part.commands for part in kept] == (
        [[[b"r"]]] * kinds.count(b"r") if b"w" in kinds else [slot.commands]
    )
    for part in kept:
        assert (part.db, part.resp3, part.deadline_ns, part.is_silent) == (3, True, 77, silent)
    assert sum(part.bytes for part in kept) <= 100
    for number, each in reversed(list(enumerate(behind))):
        each.complete(b"%d" % number)
    for part in reversed(kept):
        part.complete(b"R" * len(part.commands))
    assert b"".join(written) == b""
    before.complete(b"first")
    middle = b"" if silent else b"".join(b"R" if kind == b"r" else b"U" for kind in kinds)
    assert b"".join(written) == b"first" + middle + b"".join(b"%d" % n for n in range(len(behind)))
