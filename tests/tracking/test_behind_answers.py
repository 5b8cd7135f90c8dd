"""A message about a key never overtakes a reply with the value that it makes stale."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.server.network.slots import ReplyLine, Slot

GET = [[b"GET", b"k"]]


def new_line() -> tuple[ReplyLine, list[bytes]]:
    written: list[bytes] = []
    return ReplyLine(written.append), written


def test_it_goes_at_once_while_no_answer_waits() -> None:
    line, written = new_line()
    line.behind_answers(lambda: written.append(b"first"))
    slot = Slot(line, GET)
    line.append(slot)
    line.behind_answers(lambda: written.append(b"second"))
    slot.complete(b"reply")
    assert written == [b"first", b"second", b"reply"]


def test_a_transaction_that_is_put_together_later_is_waited_for() -> None:
    line, written = new_line()
    slot = Slot(line, GET)
    slot.convert = lambda encoded: None
    line.append(slot)
    slot.complete(b"parts")
    line.behind_answers(lambda: written.append(b"message"))
    assert written == []
    slot.complete(b"whole")
    assert [each for each in written if each] == [b"whole", b"message"]


@given(st.lists(st.sampled_from(["stored", "local", "answer", "message"]), max_size=30))
def test_messages_come_behind_all_answers_before_them(steps: list[str]) -> None:
    """Storage answers in order; local replies come late, and hold those behind them up."""
    line, written = new_line()
    unanswered: list[tuple[Slot, bytes]] = []
    local: list[tuple[Slot, bytes]] = []
    # In the order in which the storage runtime told them.
    told: list[bytes] = []
    for number, step in enumerate(steps):
        name = b"%d" % number
        if step in ("stored", "local"):
            slot = Slot(line, GET if step == "stored" else [])
            line.append(slot)
            (unanswered if step == "stored" else local).append((slot, name))
        elif step == "answer" and unanswered:
            slot, reply = unanswered.pop(0)
            told.append(reply)
            slot.complete(reply)
        elif step == "message":
            told.append(name)
            line.behind_answers(lambda name=name: written.append(name))  # type: ignore[misc]
    for slot, name in local:
        slot.complete(name)
    order = [name for name in written if name in told]
    assert order == told
