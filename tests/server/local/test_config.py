"""CONFIG and its subcommands."""

from __future__ import annotations

from tests.server.local.fakes import FakeServer


def test_get_takes_several_patterns_and_tells_each_setting_once() -> None:
    server = FakeServer(maxclients=77)
    session = server.connect()
    pair = b"$10\r\nmaxclients\r\n$2\r\n77\r\n"
    assert server.run(session, "CONFIG", "GET", "MAXC*", "maxclients", "nosuch") == b"*2\r\n" + pair
    session.resp3 = True
    assert server.run(session, "CONFIG", "GET", "maxclients") == b"%1\r\n" + pair


def test_get_with_a_star_tells_everything() -> None:
    server = FakeServer()
    answer = server.run(server.connect(), "CONFIG", "GET", "*")
    for name in server.config.names():
        assert b"\r\n%b\r\n" % name.encode() in answer


def test_set_is_all_or_nothing() -> None:
    server = FakeServer()
    session = server.connect()
    answer = server.run(session, "CONFIG", "SET", "timeout", "5", "maxclients", "0")
    assert answer.startswith(b"-ERR CONFIG SET failed (possibly related to argument 'maxclients')")
    assert server.config.get("timeout") == "0"
    assert server.run(session, "CONFIG", "SET", "timeout", "5", "maxclients", "6") == b"+OK\r\n"
    assert (server.config.get("timeout"), server.config.get("maxclients")) == ("5", "6")
    assert server.run(session, "CONFIG", "SET", "timeout", "5", "x") == b"-ERR syntax error\r\n"


def test_resetstat_resets_both_runtimes() -> None:
    server = FakeServer()
    session = server.connect()
    server.run(session, "ECHO")
    server.statistics.commands_processed = 5
    assert server.run(session, "CONFIG", "RESETSTAT") == b"+OK\r\n"
    assert server.queries == ["reset_statistics"]
    assert server.statistics.commands_processed == 0
    assert server.statistics.errors == {}


def test_resetstat_without_storage_says_so() -> None:
    server = FakeServer()
    server.storage_is_up = False
    answer = server.run(server.connect(), "CONFIG", "RESETSTAT")
    assert answer == b"-ERR the storage runtime is down\r\n"
    assert server.statistics.errors == {"ERR": 1}


def test_rewrite_is_refused_with_the_reason() -> None:
    server = FakeServer()
    session = server.connect()
    answer = server.run(session, "CONFIG", "REWRITE")
    assert answer == b"-ERR The server is running without a config file\r\n"
    server.facts.config_file = "/etc/kiwi.conf"
    assert b"never changes its configuration" in server.run(session, "CONFIG", "REWRITE")
