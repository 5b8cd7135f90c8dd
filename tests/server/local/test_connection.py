"""PING, ECHO, HELLO, AUTH, SELECT, QUIT, RESET, TIME, SHUTDOWN."""

from __future__ import annotations

import pytest

from kiwi_engine.clock import wall_us
from kiwi_engine.server.network.session import ReplyMode
from tests.server.local.fakes import FakeServer

WRONG_PASSWORD = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"


def test_select_is_bounded_by_the_setting() -> None:
    server = FakeServer(databases=3)
    session = server.connect()
    assert server.run(session, "SELECT", 2) == b"+OK\r\n"
    assert server.run(session, "SELECT", 3) == b"-ERR DB index is out of range\r\n"
    assert session.db == 2


def test_quit_closes_behind_its_reply() -> None:
    server = FakeServer()
    session = server.connect()
    assert server.run(session, "QUIT") == b"+OK\r\n"
    assert session.close_after_reply


def test_reset_restores_everything() -> None:
    server = FakeServer(requirepass="secret")
    session = server.connect()
    server.run(session, "HELLO", 3, "AUTH", "default", "secret", "SETNAME", "me")
    server.run(session, "SELECT", 4)
    server.run(session, "CLIENT", "NO-EVICT", "ON")
    server.run(session, "CLIENT", "REPLY", "OFF")
    assert server.run(session, "RESET") == b"+RESET\r\n"
    assert (session.db, session.resp3, session.name, session.no_evict) == (0, False, b"", False)
    assert session.reply_mode is ReplyMode.ON
    assert server.is_locked_out(session)


def test_time_is_now() -> None:
    server = FakeServer()
    before = wall_us()
    _, _, seconds, _, microseconds, _ = server.run(server.connect(), "TIME").split(b"\r\n")
    assert before <= int(seconds) * 1_000_000 + int(microseconds) <= wall_us()


@pytest.mark.parametrize("words", [["PING"], ["SELECT", "1"], ["GET", "a"], ["CLIENT", "ID"]])
def test_nothing_works_before_the_login(words: list[str]) -> None:
    server = FakeServer(requirepass="secret")
    session = server.connect()
    assert server.run(session, *words) == b"-NOAUTH Authentication required.\r\n"
    assert server.run(session, "AUTH", "secret") == b"+OK\r\n"
    assert server.run(session, "PING") == b"+PONG\r\n"


def test_existence_and_arity_come_before_the_login() -> None:
    server = FakeServer(requirepass="secret")
    session = server.connect()
    assert server.run(session, "NOSUCH").startswith(b"-ERR unknown command 'NOSUCH'")
    assert server.run(session, "ECHO").startswith(b"-ERR wrong number of arguments for 'echo'")
    assert server.run(session, "GET").startswith(b"-ERR wrong number of arguments for 'get'")
    assert server.run(session, "CLIENT", "NO").startswith(b"-ERR unknown subcommand 'NO'")


def test_passwords() -> None:
    server = FakeServer(requirepass="secret")
    session = server.connect()
    assert server.run(session, "AUTH", "Secret") == WRONG_PASSWORD
    assert server.run(session, "AUTH", "") == WRONG_PASSWORD
    assert server.run(session, "AUTH", b"\xff") == WRONG_PASSWORD
    assert server.run(session, "AUTH", "someone", "secret") == WRONG_PASSWORD
    assert server.is_locked_out(session)
    assert server.run(session, "AUTH", "default", "secret") == b"+OK\r\n"
    assert not server.is_locked_out(session)


def test_a_wrong_password_does_not_log_out() -> None:
    server = FakeServer(requirepass="secret")
    session = server.connect()
    server.run(session, "AUTH", "secret")
    assert server.run(session, "AUTH", "wrong") == WRONG_PASSWORD
    assert server.run(session, "PING") == b"+PONG\r\n"


def test_a_password_set_later_spares_who_is_in() -> None:
    server = FakeServer()
    early = server.connect()
    server.run(early, "CONFIG", "SET", "requirepass", "secret")
    late = server.connect("127.0.0.1:5001")
    assert not server.is_locked_out(early)
    assert server.is_locked_out(late)
    server.run(early, "CONFIG", "SET", "requirepass", "")
    assert not server.is_locked_out(late)


def test_hello_needs_the_login_first() -> None:
    server = FakeServer(requirepass="secret")
    session = server.connect()
    for words in (["HELLO"], ["HELLO", "3"], ["HELLO", "3", "SETNAME", "x"]):
        assert server.run(session, *words).startswith(b"-NOAUTH HELLO must be called with")
    assert (session.resp3, session.name) == (False, b"")
    assert server.run(session, "HELLO", 3, "AUTH", "default", "wrong") == WRONG_PASSWORD
    assert not session.resp3
    assert server.run(session, "HELLO", 3, "AUTH", "default", "secret").startswith(b"%7\r\n")
    assert session.resp3


def test_hello_tells_what_is_so() -> None:
    server = FakeServer()
    server.connect()
    session = server.connect()
    assert server.run(session, "HELLO", 3, "SETNAME", "me") == (
        b"%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.4\r\n$5\r\nproto\r\n:3\r\n"
        b"$2\r\nid\r\n:2\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
        b"$7\r\nmodules\r\n*0\r\n"
    )
    assert session.name == b"me"
    assert b"$5\r\nproto\r\n:3\r\n" in server.run(session, "HELLO")
    assert server.run(session, "HELLO", 2).startswith(b"*14\r\n")


@pytest.mark.parametrize("options", [[], ["NOSAVE"], ["save", "now", "force"], ["NOW", "NOW"]])
def test_shutdown(options: list[str]) -> None:
    server = FakeServer()
    assert server.run(server.connect(), "SHUTDOWN", *options) == b""
    assert server.is_stopping


@pytest.mark.parametrize("options", [["x"], ["SAVE", "NOSAVE"], ["ABORT", "NOW"], ["ABORT"]])
def test_shutdown_refused(options: list[str]) -> None:
    server = FakeServer()
    answer = server.run(server.connect(), "SHUTDOWN", *options)
    expected = "No shutdown in progress." if options == ["ABORT"] else "syntax error"
    assert answer == b"-ERR %b\r\n" % expected.encode()
    assert not server.is_stopping
