"""Commands that are run in their turn: what they send, and how many there may be in a row."""

from __future__ import annotations

from kiwi_engine.server.network.slots import ReplyLine, Slot


def new_line() -> tuple[ReplyLine, list[bytes]]:
    written: list[bytes] = []
    return ReplyLine(written.append), written


def acting(line: ReplyLine, encoded: bytes, pushed: bytes = b"") -> Slot:
    """A slot whose command pushes `pushed` to its own connection and answers `encoded`."""
    slot = Slot(line, [])

    def act() -> None:
        if pushed:
            line.push_behind(pushed)
        slot.complete(encoded)

    slot.action = act
    line.append(slot)
    return slot


def test_a_long_row_of_actions_needs_no_deep_stack() -> None:
    line, written = new_line()
    first = Slot(line, [])
    line.append(first)
    for number in range(5000):
        acting(line, b"%d" % number)
    assert written == []
    first.complete(b"first")
    assert written == [b"first", *(b"%d" % number for number in range(5000))]


def test_what_a_command_pushes_to_itself_follows_its_reply() -> None:
    line, written = new_line()
    first = Slot(line, [])
    line.append(first)
    acting(line, b":1", b"message 1")
    acting(line, b":2", b"message 2").is_silent = True
    last = Slot(line, [])
    line.append(last)
    last.complete(b"last")
    first.complete(b"first")
    assert written == [b"first", b":1", b"message 1", b"", b"message 2", b"last"]
