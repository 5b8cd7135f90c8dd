"""What is written down of several connections: everything, at the step in which it came."""

from __future__ import annotations

import pytest

from tests.support.servers import ServerProcess
from tests.support.transcripts import Heard, play


def test_a_message_is_noted_at_the_step_that_caused_it(server: ServerProcess) -> None:
    script = """
        a: SUBSCRIBE x
        b3: SUBSCRIBE x
        c: PUBLISH x "one; two"; PING
    """
    step = 'c: PUBLISH x "one; two"; PING'
    message = ["$7", "message", "$1", "x", "$8", "one; two", ""]
    assert play(server.port, script)[2:] == [
        Heard(step, "a", ["*3", *message]),
        Heard(step, "b3", [">3", *message]),
        Heard(step, "c", [":2", "+PONG", ""]),
    ]


def test_a_transaction_is_asked_nothing_until_it_ends(server: ServerProcess) -> None:
    script = """
        a!: MULTI
        a!: PING
        b: PING
        a: EXEC
    """
    assert play(server.port, script) == [
        Heard("a!: MULTI", "a", ["+OK", ""]),
        Heard("a!: PING", "a", ["+QUEUED", ""]),
        Heard("b: PING", "b", ["+PONG", ""]),
        Heard("a: EXEC", "a", ["*1", "+PONG", ""]),
    ]


def test_what_the_server_closes_is_noted_and_takes_no_step_any_more(server: ServerProcess) -> None:
    assert play(server.port, "a: QUIT; PING\na: PING\nb: PING") == [
        Heard("a: QUIT; PING", "a", ["+OK", "(closed)"]),
        Heard("b: PING", "b", ["+PONG", ""]),
    ]


def test_numbers_of_connections_are_filled_in_and_left_out(server: ServerProcess) -> None:
    heard = play(server.port, "a3: CLIENT TRACKING ON REDIRECT {t}; CLIENT TRACKINGINFO\nt: close")
    assert heard[0].lines[0] == "+OK"
    assert ":{t}" in heard[0].lines


def test_a_line_that_is_no_step_is_refused(server: ServerProcess) -> None:
    with pytest.raises(AssertionError, match="no step: what"):
        play(server.port, "a: PING\nwhat")
