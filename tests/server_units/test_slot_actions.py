"""Slots whose reply is made in turn, or made of what the storage runtime answered."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.server.network.slots import ReplyLine, Slot


def new_line() -> tuple[ReplyLine, list[bytes]]:
    written: list[bytes] = []
    return ReplyLine(written.append), written


def acting(line: ReplyLine, done: Callable[[Slot], None]) -> Slot:
    slot = Slot(line, [])
    slot.action = lambda: done(slot)
    line.append(slot)
    return slot


# Of each slot: whether it acts in turn, and whether it completes at once where it does.
KINDS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6)


@given(KINDS, st.randoms(use_true_random=False))
def test_an_action_sees_all_earlier_replies_gone_and_happens_once(
    kinds: list[tuple[bool, bool]], random: Random
) -> None:
    line, written = new_line()
    acted: list[int] = []
    slots: list[Slot] = []

    def act(number: int, at_once: bool) -> Callable[[Slot], None]:
        def done(slot: Slot) -> None:
            assert len(written) == number, "its turn has come"
            acted.append(number)
            if at_once:
                slot.complete(b"%d" % number)

        return done

    for number, (acts, at_once) in enumerate(kinds):
        if acts:
            slots.append(acting(line, act(number, at_once)))
        else:
            slots.append(Slot(line, []))
            line.append(slots[-1])
    line.advance()
    open_slots = [number for number, (acts, at_once) in enumerate(kinds) if not (acts and at_once)]
    random.shuffle(open_slots)
    late = []
    for number in open_slots:
        if kinds[number][0] and number not in acted:
            late.append(number)
        else:
            slots[number].complete(b"%d" % number)
    # Those that answer later, each when it has been asked to.
    while late:
        ready = [number for number in late if number in acted]
        assert ready, "an action was forgotten"
        for number in ready:
            late.remove(number)
            slots[number].complete(b"%d" % number)
    assert b"".join(written) == b"".join(b"%d" % number for number in range(len(kinds)))
    assert acted == [number for number, (acts, _) in enumerate(kinds) if acts]
    assert len(line) == 0


def test_a_row_of_actions_needs_no_deep_stack() -> None:
    """A subscriber may send thousands of commands at once; the stack ends at a thousand."""
    line, written = new_line()
    first = Slot(line, [])
    line.append(first)
    for _ in range(5000):
        acting(line, lambda slot: slot.complete(b"x"))
    first.complete(b"first")
    assert written == [b"first", *[b"x"] * 5000]


def test_what_is_made_of_an_answer_is_the_reply() -> None:
    line, written = new_line()
    slot = Slot(line, [[b"get", b"k"]])
    line.append(slot)
    slot.convert = lambda encoded: encoded.upper()
    slot.complete(b"answer")
    assert written == [b"ANSWER"]


def test_a_reply_that_is_made_later_keeps_its_place() -> None:
    line, written = new_line()
    slot, behind = Slot(line, [[b"get", b"k"]]), Slot(line, [])
    line.append(slot)
    line.append(behind)
    heard: list[bytes] = []

    def later(encoded: bytes) -> None:
        heard.append(encoded)

    slot.convert = later
    slot.complete(b"answer")
    behind.complete(b"behind")
    assert (heard, written) == ([b"answer"], [])
    assert slot.is_answered, "the storage runtime has no more to say"
    slot.complete(b"made")
    assert written == [b"made", b"behind"]
    assert heard == [b"answer"], "it is asked once"


def test_a_message_behind_a_reply_waits_for_that_reply() -> None:
    line, written = new_line()

    def push_and_reply(slot: Slot) -> None:
        line.push_behind(b"message")
        slot.complete(b"reply")

    slot = acting(line, push_and_reply)
    behind = Slot(line, [])
    line.append(behind)
    behind.complete(b"behind")
    assert slot.reply == b"reply"
    assert written == [b"reply", b"message", b"behind"]
