"""Clients that wait: for elements, for time to pass, and across a crash of the storage process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from kiwi_engine import clock
from tests.conftest import StartKiwi
from tests.server.test_storage_restart import storage_process_id, wait_for_new_storage
from tests.support.client import Client, ErrorReply, encode
from tests.support.servers import ServerProcess, wait_until

Connect = Callable[[], Client]


@pytest.fixture
def connect(server: ServerProcess) -> Iterator[Connect]:
    """Opens further connections, which end with the test."""
    opened: list[Client] = []

    def connect() -> Client:
        opened.append(server.client())
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


def flags_of(client: Client, identity: int) -> str:
    line = client.command("CLIENT", "LIST", "ID", identity).decode()
    return next((word[6:] for word in line.split() if word.startswith("flags=")), "")


def blocked(client: Client) -> int:
    return int(client.info("clients")["blocked_clients"])


def block(client: Client, control: Client, *words: str | int) -> int:
    """Send a command that waits; the number of the connection, once it does."""
    identity: int = client.command("CLIENT", "ID")
    send_and_wait(client, control, identity, *words)
    return identity


def send_and_wait(client: Client, control: Client, identity: int, *words: str | int) -> None:
    client.send(encode(*words))
    wait_until(lambda: "b" in flags_of(control, identity), f"{words[0]} to wait")
    # The storage runtime has seen it, too: this comes behind it.
    assert control.command("EXISTS", "no such key") == 0


def silent(client: Client, seconds: float = 0.1) -> bool:
    """Whether nothing comes for a while."""
    client.socket.settimeout(seconds)
    try:
        client.reply()
    except TimeoutError:
        return True
    finally:
        client.socket.settimeout(30)
    return False


def test_elements_go_to_those_who_wait_in_their_order(client: Client, connect: Connect) -> None:
    waiting = [connect() for _ in range(4)]
    for each in waiting:
        block(each, client, "BLPOP", "queue", 0)
    assert blocked(client) == 4
    facts = client.info("clients")
    assert facts["total_blocking_keys"] == "1"
    assert facts["total_blocking_keys_on_nokey"] == "0"
    assert client.command("RPUSH", "queue", "a", "b", "c") == 3
    assert [each.reply() for each in waiting[:3]] == [[b"queue", e] for e in (b"a", b"b", b"c")]
    assert silent(waiting[3])
    assert client.command("EXISTS", "queue") == 0
    assert blocked(client) == 1


def test_what_comes_behind_a_waiting_command_waits_too(client: Client, connect: Connect) -> None:
    worker = connect()
    worker.send(b"".join(encode(*words) for words in (("SET", "k", 1), ("BLPOP", "q", 0))))
    assert worker.reply() == b"OK"
    worker.send(encode("INCR", "k") + encode("PING") + encode("BRPOP", "q", 0) + encode("GET", "k"))
    assert silent(worker)
    assert client.command("GET", "k") == b"1"
    assert client.command("RPUSH", "q", "x") == 1
    assert [worker.reply() for _ in range(3)] == [[b"q", b"x"], 2, b"PONG"]
    assert silent(worker)
    assert client.command("RPUSH", "q", "y") == 1
    assert [worker.reply() for _ in range(2)] == [[b"q", b"y"], b"2"]


def test_a_client_that_goes_away_takes_nothing(client: Client, connect: Connect) -> None:
    """In whatever way it goes, and however soon the element comes after that."""
    for leave in (Client.close, lambda each: each.socket.shutdown(1)):
        gone = connect()
        block(gone, client, "BLMOVE", "queue", "taken", "LEFT", "LEFT", 0)
        leave(gone)
        wait_until(lambda: blocked(client) == 0, "its end to be seen")
        assert client.command("RPUSH", "queue", "a") == 1
        assert client.command("LRANGE", "queue", 0, -1) == [b"a"]
        assert client.command("DEL", "queue") == 1
    killed = connect()
    identity = block(killed, client, "BLPOP", "queue", 0)
    replies = client.pipeline([("CLIENT", "KILL", "ID", identity), ("RPUSH", "queue", "a")])
    assert replies == [1, 1]
    assert client.command("LLEN", "queue") == 1


def test_a_half_closed_client_gets_what_is_there(client: Client, connect: Connect) -> None:
    """As from `printf 'BLPOP ...' | nc`: only where nothing is there does it end without a word."""
    pop = ("BLPOP", "q", 0)
    commands: list[tuple[str | int, ...]] = [("RPUSH", "q", "a"), pop, ("PING",), pop, ("PING",)]
    for _ in range(5):
        leaving = connect()
        leaving.send(b"".join(encode(*words) for words in commands))
        leaving.socket.shutdown(1)
        replies = b":1\r\n*2\r\n$1\r\nq\r\n$1\r\na\r\n+PONG\r\n"
        assert leaving.read_until_closed() == replies
    assert client.command("LLEN", "q") == 0
    wait_until(lambda: blocked(client) == 0, "their end to be seen")


def test_an_orderly_end_of_what_waits(client: Client, connect: Connect) -> None:
    worker = connect()
    started_ns = clock.monotonic_ns()
    assert worker.command("BLPOP", "q", "0.05") is None
    assert worker.command("BRPOPLPUSH", "q", "r", "0.05") is None
    assert worker.command("XREAD", "BLOCK", 50, "STREAMS", "s", "$") is None
    assert clock.monotonic_ns() - started_ns >= 150_000_000
    started_ns = clock.monotonic_ns()
    assert worker.pipeline([("BLPOP", "q", "0.3"), ("BLPOP", "q", "0.3")]) == [None, None]
    assert clock.monotonic_ns() - started_ns >= 600_000_000, "the second one waits as long"
    for words, expected in ((("TIMEOUT",), None), ((), None)):
        identity = block(worker, client, "BZPOPMIN", "z", 0)
        assert client.command("CLIENT", "UNBLOCK", identity, *words) == 1
        assert worker.reply() is expected
    identity = block(worker, client, "BZPOPMIN", "z", 0)
    assert client.command("CLIENT", "UNBLOCK", identity, "ERROR") == 1
    assert str(worker.reply()) == "UNBLOCKED client unblocked via CLIENT UNBLOCK"
    assert client.command("CLIENT", "UNBLOCK", identity) == 0
    assert worker.command("PING") == b"PONG"


def test_transactions_and_the_third_protocol(client: Client, connect: Connect) -> None:
    worker = connect()
    worker.command("HELLO", 3)
    replies = worker.pipeline(
        [("MULTI",), ("BLPOP", "q", 0), ("BLMOVE", "q", "r", "LEFT", "LEFT", 0), ("EXEC",)]
    )
    assert replies[-1] == [None, None]
    block(worker, client, "BZPOPMAX", "z", 0)
    assert client.command("ZADD", "z", "1.5", "m") == 1
    assert worker.reply() == [b"z", b"m", 1.5]
    block(worker, client, "BLPOP", "q", 0)
    replies = client.pipeline(
        [("MULTI",), ("RPUSH", "q", "a", "b"), ("LPOP", "q"), ("RPUSH", "q", "c"), ("EXEC",)]
    )
    assert replies[-1] == [2, b"a", 2]
    assert worker.reply() == [b"q", b"b"]


def test_waiting_for_replicas_and_for_the_log(client: Client, connect: Connect) -> None:
    worker = connect()
    assert worker.command("WAIT", 0, 0) == 0
    assert worker.pipeline([("SET", "k", 1), ("WAIT", 1, 30), ("WAITAOF", 1, 0, 0)]) == [
        b"OK",
        0,
        [1, 0],
    ]
    identity = block(worker, client, "WAIT", 1, 0)
    worker.send(encode("INCR", "k"))
    assert silent(worker)
    assert client.command("GET", "k") == b"1"
    assert client.command("CLIENT", "UNBLOCK", identity) == 1
    assert [worker.reply(), worker.reply()] == [0, 2]
    identity = block(worker, client, "WAITAOF", 0, 1, 0)
    assert client.command("CLIENT", "UNBLOCK", identity, "ERROR") == 1
    assert str(worker.reply()).startswith("UNBLOCKED ")
    block(worker, client, "WAIT", 1, 0)
    worker.close()
    wait_until(lambda: blocked(client) == 0, "its end to be seen")


def test_a_pause_of_writes_lets_reads_go_on(client: Client, connect: Connect) -> None:
    writer, queueing = connect(), connect()
    identity = queueing.command("CLIENT", "ID")
    assert queueing.pipeline([("MULTI",), ("SET", "k", 2)]) == [b"OK", b"QUEUED"]
    assert client.command("CLIENT", "PAUSE", 60_000, "WRITE") == b"OK"
    writer_identity = block(writer, client, "SET", "k", 1)
    send_and_wait(queueing, client, identity, "EXEC")
    writer.send(encode("GET", "k"))
    assert client.command("GET", "k") is None
    assert client.command("CLIENT", "UNBLOCK", writer_identity) == 0
    assert silent(writer, 0.05)
    assert client.command("CLIENT", "UNPAUSE") == b"OK"
    assert [writer.reply(), writer.reply()] == [b"OK", b"1"]
    assert queueing.reply() == [b"OK"]
    assert client.command("GET", "k") == b"2", "in the order in which they were held"


def test_the_time_of_a_command_begins_behind_the_pause(client: Client, connect: Connect) -> None:
    other = connect()
    timeout_ms = client.command("CONFIG", "GET", "request-timeout")[1]
    assert client.command("CONFIG", "SET", "request-timeout", 300) == b"OK"
    assert client.command("CLIENT", "PAUSE", 60_000, "WRITE") == b"OK"
    block(other, client, "SET", "k", 1)
    other.send(encode("BLPOP", "q", "0.4"))
    clock.sleep(0.5)
    assert client.command("CLIENT", "UNPAUSE") == b"OK"
    assert other.reply() == b"OK"
    started_ns = clock.monotonic_ns()
    assert other.reply() is None
    assert clock.monotonic_ns() - started_ns >= 300_000_000
    assert client.command("CONFIG", "SET", "request-timeout", timeout_ms) == b"OK"


def test_a_pause_of_all_ends_by_itself(client: Client, connect: Connect) -> None:
    other = connect()
    started_ns = clock.monotonic_ns()
    assert client.command("CLIENT", "PAUSE", 100) == b"OK"
    assert other.command("PING") == b"PONG"
    assert clock.monotonic_ns() - started_ns >= 100_000_000
    assert client.command("CLIENT", "PAUSE", 60_000, "WRITE") == b"OK"
    other.send(encode("SET", "k", 1))
    other.socket.shutdown(1)
    assert other.read_until_closed() == b"", "who goes away is not waited for"
    assert client.command("CLIENT", "UNPAUSE") == b"OK"
    assert client.command("EXISTS", "k") == 0


# ---- the storage process dies


def test_a_crash_leaves_everybody_waiting_until_their_time(
    client: Client, connect: Connect
) -> None:
    first, second, late, reader = (connect() for _ in range(4))
    started_ns = clock.monotonic_ns()
    block(late, client, "BLPOP", "q", "1.5")
    block(first, client, "BLPOP", "q", 0)
    block(second, client, "BLPOP", "q", 0)
    client.command("XADD", "s", "5-1", "f", "v")
    block(reader, client, "XREAD", "BLOCK", 0, "STREAMS", "s", "$")
    dead = storage_process_id(client)
    os.kill(dead, signal.SIGKILL)
    wait_for_new_storage(client, dead)
    assert client.command("XADD", "s", "6-1", "f", "v") == b"6-1"
    assert reader.reply() == [[b"s", [[b"6-1", [b"f", b"v"]]]]]
    assert late.reply() is None
    assert clock.monotonic_ns() - started_ns >= 1.4e9
    assert client.command("RPUSH", "q", "a", "b") == 2
    assert [first.reply(), second.reply()] == [[b"q", b"a"], [b"q", b"b"]]


def test_no_element_is_lost_or_doubled_by_a_crash(client: Client, connect: Connect) -> None:
    """Storage dies while elements are on their way to workers; all outcomes are counted."""
    workers = [Worker(connect()) for _ in range(8)]
    control = connect()
    acknowledged: set[bytes] = set()
    for round_number in range(2):
        dead = storage_process_id(control)
        elements = [b"%d-%d" % (round_number, number) for number in range(300)]
        client.send(b"".join(encode("RPUSH", "queue", element) for element in elements))
        first = client.reply()
        os.kill(dead, signal.SIGKILL)
        for element in elements:
            reply = first if element is elements[0] else client.reply()
            if not isinstance(reply, ErrorReply):
                acknowledged.add(element)
            for worker in workers:
                worker.take()
        wait_for_new_storage(control, dead)

    def is_drained() -> bool:
        left = control.command("LLEN", "queue")
        return not sum([worker.take() for worker in workers]) and left == 0

    wait_until(is_drained, "the queue to be empty")
    got = [element for worker in workers for element in worker.got]
    assert len(got) == len(set(got)), "an element was handed over twice"
    unknown = sum(worker.unknown for worker in workers)
    assert len(acknowledged - set(got)) <= unknown, "an element was lost without a word"
    assert got
    assert len(acknowledged) > 1


class Worker:
    """Waits for elements without end; `unknown` counts the times that it may have got one."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.got: list[bytes] = []
        self.unknown = 0
        client.socket.setblocking(False)
        client.send(encode("BLPOP", "queue", 0))

    def take(self) -> int:
        """How many replies there were."""
        count = 0
        while True:
            try:
                reply = self._client.reply()
            except BlockingIOError:
                return count
            count += 1
            if isinstance(reply, ErrorReply):
                assert str(reply).startswith("UNKNOWN "), str(reply)
                self.unknown += 1
            else:
                self.got.append(reply[1])
            self._client.send(encode("BLPOP", "queue", 0))


def test_an_orderly_stop_closes_connections_that_wait(start_kiwi: StartKiwi) -> None:
    """In single mode, which is to serve waiting clients, too."""
    server = start_kiwi(runtime_mode="single")
    with server.client() as control, server.client() as worker, server.client() as other:
        block(worker, control, "BLPOP", "q", 0)
        assert control.command("RPUSH", "q", "a", "b") == 2
        assert worker.reply() == [b"q", b"a"]
        block(worker, control, "BLPOP", "empty", 0)
        block(other, control, "WAIT", 1, 0)
        server.signal(signal.SIGTERM)
        assert worker.read_until_closed() == b""
        assert other.read_until_closed() == b""
    assert server.wait() == 0
    server.start()
    with server.client() as control:
        assert control.command("LRANGE", "q", 0, -1) == [b"b"]
