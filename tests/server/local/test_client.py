"""CLIENT and its subcommands."""

from __future__ import annotations

import pytest

from kiwi_engine.server.network.session import ReplyMode
from kiwi_engine.server.network.transaction import Transaction
from tests.server.local.fakes import FakeServer


def fields(line: bytes) -> dict[str, str]:
    return dict(field.split("=", 1) for field in line.decode().split(" "))


def payload(reply: bytes) -> bytes:
    """The text of a bulk reply."""
    return reply.split(b"\r\n", 1)[1][:-2]


def test_the_line_tells_the_session() -> None:
    server = FakeServer()
    session = server.connect()
    server.run(session, "CLIENT", "SETNAME", "worker")
    server.run(session, "CLIENT", "SETINFO", "LIB-NAME", "redis-py")
    server.run(session, "CLIENT", "SETINFO", "lib-ver", "5.0")
    server.run(session, "SELECT", 3)
    session.created_ns -= 3_500_000_000
    session.last_interaction_ns -= 2_500_000_000
    session.input_bytes, session.output_bytes, session.commands_count = 70, 50, 6
    assert fields(payload(server.run(session, "CLIENT", "INFO")).rstrip(b"\n")) == {
        "id": "1",
        "addr": "127.0.0.1:5000",
        "laddr": "127.0.0.1:7379",
        "fd": "9",
        "name": "worker",
        "age": "3",
        "idle": "2",
        "flags": "N",
        "db": "3",
        "sub": "0",
        "psub": "0",
        "ssub": "0",
        "multi": "-1",
        "qbuf": "10",
        "multi-mem": "0",
        "omem": "20",
        "cmd": "client|info",
        "user": "default",
        "redir": "-1",
        "resp": "2",
        "lib-name": "redis-py",
        "lib-ver": "5.0",
        "tot-net-in": "70",
        "tot-net-out": "50",
        "tot-cmds": "6",
    }


def test_flags() -> None:
    server = FakeServer()
    session = server.connect()
    server.run(session, "CLIENT", "NO-EVICT", "ON")
    server.run(session, "CLIENT", "NO-TOUCH", "on")
    assert b" flags=eT " in server.run(session, "CLIENT", "INFO")
    server.run(session, "CLIENT", "NO-EVICT", "off")
    server.run(session, "CLIENT", "NO-TOUCH", "OFF")
    assert b" flags=N " in server.run(session, "CLIENT", "INFO")


def test_who_is_in_a_transaction_or_subscribed_is_shown() -> None:
    server = FakeServer()
    session, other = server.connect(), server.connect()
    session.transaction = Transaction(bytes_max=1000)
    session.transaction.add([b"GET", b"k"])
    server.run(other, "SUBSCRIBE", "a", "b")
    server.run(other, "SSUBSCRIBE", "a")
    lines = payload(server.run(session, "CLIENT", "LIST")).splitlines()
    first, second = (fields(line) for line in lines)
    assert (first["flags"], first["multi"], first["sub"]) == ("x", "1", "0")
    assert (second["flags"], second["multi"]) == ("P", "-1")
    assert (second["sub"], second["psub"], second["ssub"]) == ("2", "0", "1")
    assert ids(server.run(session, "CLIENT", "LIST", "TYPE", "pubsub")) == ["2"]
    assert ids(server.run(session, "CLIENT", "LIST", "TYPE", "normal")) == ["1"]


def ids(reply: bytes) -> list[str]:
    return [fields(line)["id"] for line in payload(reply).splitlines()]


def test_list_and_its_filters() -> None:
    server = FakeServer()
    session = server.connect()
    for port in (5001, 5002):
        server.connect(f"127.0.0.1:{port}")
    assert ids(server.run(session, "CLIENT", "LIST")) == ["1", "2", "3"]
    assert ids(server.run(session, "CLIENT", "LIST", "TYPE", "NORMAL")) == ["1", "2", "3"]
    assert ids(server.run(session, "CLIENT", "LIST", "TYPE", "replica")) == []
    assert ids(server.run(session, "CLIENT", "LIST", "ID", 3, 9, 1)) == ["3", "1"]
    session.resp3 = True
    assert server.run(session, "CLIENT", "LIST", "ID", 9) == b"=4\r\ntxt:\r\n"


def test_id_counts_connections() -> None:
    server = FakeServer()
    server.connect()
    assert server.run(server.connect(), "CLIENT", "ID") == b":2\r\n"


def test_names() -> None:
    server = FakeServer()
    session = server.connect()
    assert server.run(session, "CLIENT", "GETNAME") == b"$-1\r\n"
    assert server.run(session, "CLIENT", "SETNAME", "a!~") == b"+OK\r\n"
    for bad in (b"a b", b"a\n", b"\x7f", b"\xc3\xa9"):
        assert server.run(session, "CLIENT", "SETNAME", bad).startswith(b"-ERR Client names cannot")
        assert server.run(session, "CLIENT", "SETINFO", "Lib-Ver", bad) == (
            b"-ERR Lib-Ver cannot contain spaces, newlines or special characters.\r\n"
        )
    assert server.run(session, "CLIENT", "GETNAME") == b"$3\r\na!~\r\n"
    server.run(session, "CLIENT", "SETNAME", "")
    session.resp3 = True
    assert server.run(session, "CLIENT", "GETNAME") == b"_\r\n"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["ID", 2], [2]),
        (["ID", 1], []),
        (["ID", 1, "SKIPME", "NO"], [1]),
        (["ADDR", "127.0.0.1:5001"], [2]),
        (["LADDR", "127.0.0.1:7379"], [2, 3]),
        (["LADDR", "127.0.0.1:1"], []),
        (["TYPE", "normal"], [2, 3]),
        (["TYPE", "normal", "SKIPME", "no"], [1, 2, 3]),
        (["TYPE", "master"], []),
        (["USER", "default", "ID", 3], [3]),
        (["ID", 2, "ID", 3], [3]),
        (["ADDR", "127.0.0.1:5001", "ID", 3], []),
        (["SKIPME", "yes"], [2, 3]),
    ],
)
def test_kill_with_filters(filters: list[str | int], expected: list[int]) -> None:
    server = FakeServer()
    session = server.connect()
    for port in (5001, 5002):
        server.connect(f"127.0.0.1:{port}")
    answer = server.run(session, "CLIENT", "KILL", *filters)
    assert answer == b":%d\r\n" % len(expected)
    # The caller still gets its reply; the others are gone at once.
    left = {each.id for each in server.sessions()}
    assert left == {1, 2, 3} - {each for each in expected if each != 1}
    assert session.close_after_reply is (1 in expected)


def test_kill_by_address() -> None:
    server = FakeServer()
    session = server.connect()
    server.connect("::1:5001")
    assert server.run(session, "CLIENT", "KILL", "::1:5001") == b"+OK\r\n"
    assert server.run(session, "CLIENT", "KILL", "::1:5001") == b"-ERR No such client\r\n"
    assert server.run(session, "CLIENT", "KILL", session.address) == b"+OK\r\n"
    assert session.close_after_reply


def test_kill_refuses_without_killing() -> None:
    server = FakeServer()
    session = server.connect()
    server.connect("127.0.0.1:5001")
    refused: tuple[list[str | int], ...] = (
        ["ID", 2, "ID", 0],
        ["ID", 2, "X", 1],
        ["ID", 2, "USER", "x"],
        ["ID", 2, "ID"],
    )
    for filters in refused:
        assert server.run(session, "CLIENT", "KILL", *filters).startswith(b"-ERR ")
    assert len(list(server.sessions())) == 2


def test_reply_modes() -> None:
    server = FakeServer()
    session = server.connect()

    def mode() -> ReplyMode:
        return session.reply_mode

    assert server.run(session, "CLIENT", "REPLY", "SKIP") == b""
    assert mode() is ReplyMode.SKIP
    assert server.run(session, "CLIENT", "REPLY", "OFF") == b""
    assert server.run(session, "CLIENT", "REPLY", "skip") == b""
    assert mode() is ReplyMode.OFF
    assert server.run(session, "CLIENT", "REPLY", "on") == b"+OK\r\n"
    assert mode() is ReplyMode.ON
