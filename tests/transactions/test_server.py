"""Transactions on a server of ours, where Redis is no model or the chunks of the input matter."""

from __future__ import annotations

from tests.support.client import Client, ErrorReply, encode
from tests.support.servers import ServerProcess


def sent_at_once(server: ServerProcess, *lines: str, half_closed: bool = False) -> bytes:
    """All that is received for some commands in one chunk, up to the answer to a last ECHO."""
    with server.client() as client:
        behind = b"" if half_closed else encode("ECHO", "end")
        client.send(b"".join(encode(*line.split()) for line in lines) + behind)
        if half_closed:
            client.socket.shutdown(1)
            return client.read_until_closed()
        received = b""
        while not received.endswith(b"$3\r\nend\r\n"):
            received += client.socket.recv(1 << 16)
        return received.removesuffix(b"$3\r\nend\r\n")


def test_replies_in_front_of_a_switch_of_the_mode_are_sent(server: ServerProcess) -> None:
    """They were gathered, and thrown away with what comes behind CLIENT REPLY."""
    lines = ("PING", "CLIENT REPLY OFF", "PING", "CLIENT REPLY ON")
    assert sent_at_once(server, *lines) == b"+PONG\r\n+OK\r\n"
    assert sent_at_once(server, "PING", "CLIENT REPLY SKIP", "GET k") == b"+PONG\r\n"
    queued = ("MULTI", "SET k 1", "EXEC", "CLIENT REPLY SKIP", "GET k")
    assert sent_at_once(server, *queued) == b"+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"


def test_a_skip_in_a_transaction_is_for_one_command_behind_it(client: Client) -> None:
    assert client.pipeline([("MULTI",), ("CLIENT", "REPLY", "SKIP")]) == [b"OK", b"QUEUED"]
    client.send(encode("EXEC"))
    assert client.socket.recv(100) == b"*1\r\n"
    for number in range(3):
        client.send(encode("SET", "k", number))
    assert [client.reply(), client.reply()] == [b"OK", b"OK"]


def test_a_half_closed_client_gets_what_was_behind_its_transaction(server: ServerProcess) -> None:
    """It was held back, and forgotten when the transaction was answered."""
    lines = ("MULTI", "PING", "EXEC", "SET k 1", "GET k")
    received = sent_at_once(server, *lines, half_closed=True)
    assert received == b"+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n+OK\r\n$1\r\n1\r\n"


def test_nothing_waits_in_a_transaction(client: Client) -> None:
    client.pipeline([("MULTI",), ("WAITAOF", 0, 1, 0), ("WAIT", 1, 0), ("BLPOP", "none", 0)])
    assert client.command("EXEC") == [[1, 0], 0, None]


def test_a_pause_holds_what_would_be_queued(server: ServerProcess, client: Client) -> None:
    with server.client() as other:
        client.command("MULTI")
        other.command("CLIENT", "PAUSE", 10_000, "WRITE")
        assert client.command("GET", "k") == b"QUEUED"
        client.send(encode("SET", "k", 1))
        client.socket.settimeout(0.1)
        try:
            unexpected = client.reply()
        except TimeoutError:
            unexpected = None
        assert unexpected is None
        client.socket.settimeout(10)
        other.command("CLIENT", "UNPAUSE")
        assert client.reply() == b"QUEUED"


def test_a_skip_outlasts_a_pause(server: ServerProcess, client: Client) -> None:
    with server.client() as other:
        other.command("CLIENT", "PAUSE", 10_000, "WRITE")
        client.send(encode("CLIENT", "REPLY", "SKIP") + encode("SET", "k", 1) + encode("PING"))
        assert other.command("CLIENT", "UNPAUSE") == b"OK"
        assert client.reply() == b"PONG"


def test_refusals_count_as_failed_calls_as_in_redis(client: Client) -> None:
    client.command("CONFIG", "RESETSTAT")
    client.pipeline([("MULTI",), ("MULTI",), ("WATCH", "k"), ("DISCARD",), ("DISCARD",)])
    assert isinstance(client.command("EXEC"), ErrorReply)
    usage = client.info("commandstats")
    for name, calls in (("multi", 2), ("watch", 1), ("discard", 2), ("exec", 1)):
        fields = dict(pair.split("=") for pair in usage[f"cmdstat_{name}"].split(","))
        found = [fields[field] for field in ("calls", "failed_calls", "rejected_calls")]
        assert found == [str(calls), "1", "0"], name


def test_client_list_tells_of_transactions(server: ServerProcess, client: Client) -> None:
    with server.client() as other:
        identity = client.command("CLIENT", "ID")

        def fields() -> dict[str, str]:
            line = other.command("CLIENT", "LIST", "ID", identity).decode()
            return dict(pair.split("=", 1) for pair in line.split())

        client.pipeline([("WATCH", "k"), ("MULTI",), ("GET", "k"), ("SET", "k", "v" * 1000)])
        told = fields()
        assert (told["flags"], told["multi"], told["cmd"]) == ("x", "2", "set")
        assert int(told["multi-mem"]) > 1000
        other.command("SET", "k", 1)
        assert fields()["flags"] == "xd"
        client.command("EXEC")
        told = fields()
        assert (told["flags"], told["multi"], told["multi-mem"]) == ("N", "-1", "0")


def test_what_is_in_front_of_broken_input_is_answered_first(server: ServerProcess) -> None:
    with server.client() as client:
        lines = ("MULTI", "PING", "EXEC", "SET k 1", "GET k")
        client.send(b"".join(encode(*line.split()) for line in lines) + b"*1\r\nbroken\r\n")
        received = client.read_until_closed()
    error = b"-ERR Protocol error: expected '$', got 'b'\r\n"
    assert received == b"+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n+OK\r\n$1\r\n1\r\n" + error


def test_who_monitors_queues_no_writes(server: ServerProcess) -> None:
    lines = ("MONITOR", "MULTI", "SET k 1", "EXEC")
    received = sent_at_once(server, *lines, half_closed=True)
    assert b"-ERR Replica can't interact with the keyspace\r\n" in received
    assert b"-EXECABORT" in received
