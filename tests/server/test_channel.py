"""The channel of a real server: what is in doubt after a death, the breaker, what INFO tells."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from kiwi_engine.clock import monotonic_ns
from tests.conftest import StartKiwi
from tests.support.client import Client, ErrorReply, encode
from tests.support.servers import ServerProcess, wait_until

CONNECTIONS = 20


def storage_process_id(client: Client) -> int:
    return int(client.info("server")["storage_process_id"])


@contextlib.contextmanager
def stopped(client: Client) -> Iterator[int]:
    """The storage process is stopped meanwhile; its number."""
    process_id = storage_process_id(client)
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield process_id
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGCONT)


@contextlib.contextmanager
def clients(server: ServerProcess) -> Iterator[list[Client]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(server.client()) for _ in range(CONNECTIONS)]


def test_writes_that_wait_for_a_stopped_storage_process_are_made(
    server: ServerProcess, client: Client
) -> None:
    with clients(server) as writers:
        with stopped(client):
            for number, writer in enumerate(writers):
                writer.send(b"".join(encode("SET", f"{number}:{n}", "v") for n in range(50)))
            for _ in range(20):
                assert client.command("PING") == b"PONG"
            assert client.info("channel")["breaker_state"] == "closed"
        for writer in writers:
            assert [writer.reply() for _ in range(50)] == [b"OK"] * 50
    assert client.command("DBSIZE") == 50 * CONNECTIONS


def test_only_what_the_kernel_has_taken_is_in_doubt(server: ServerProcess, client: Client) -> None:
    value = "v" * 20_000
    with clients(server) as writers:
        with stopped(client) as process_id:
            early = writers.pop()
            early.send(encode("SET", "early", value))
            wait_until(lambda: client.info("channel")["sent_runs"] == "1", "what was taken")
            for number, writer in enumerate(writers):
                writer.send(b"".join(encode("SET", f"{number}:{n}", value) for n in range(10)))
            wait_until(
                lambda: int(client.info("channel")["queued_runs"]) >= CONNECTIONS, "a full socket"
            )
            os.kill(process_id, signal.SIGKILL)
        replies = {
            f"{number}:{n}": writer.reply()
            for number, writer in enumerate(writers)
            for n in range(10)
        }
        outcome = early.reply()
    assert str(outcome).startswith("UNKNOWN "), "the kernel has taken it"
    made = [key for key, reply in replies.items() if reply == b"OK"]
    doubtful = [key for key, reply in replies.items() if reply != b"OK"]
    assert all(str(replies[key]).startswith("UNKNOWN ") for key in doubtful)
    assert len(doubtful) < len(made), "most of it had not left"
    lengths = client.pipeline([("STRLEN", key) for key in made])
    assert lengths == [len(value)] * len(made)


def test_the_breaker_refuses_at_once_and_lets_pass_again(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(request_timeout=400, breaker_failures=3, breaker_reset_timeout=60_000)
    with server.client() as client, clients(server) as others:
        assert client.command("SET", "k", "v") == b"OK"
        others[3].send(encode("BLPOP", "q", "0"))
        wait_until(lambda: client.info("channel")["blocked_runs"] == "1", "who waits")
        with stopped(client):
            for other in others[:3]:
                other.send(encode("GET", "k"))
            assert {str(other.reply()).split()[0] for other in others[:3]} == {"TIMEOUT"}
            wait_until(lambda: client.info("channel")["breaker_state"] == "open", "the breaker")
            started_ns = monotonic_ns()
            refused = client.pipeline([("SET", "k", "w"), ("MULTI",), ("GET", "k"), ("EXEC",)])
            assert str(refused[0]).startswith("LOADING ")
            assert str(refused[3]).startswith("EXECABORT ")
            assert client.command("PING") == b"PONG"
            info = client.info()
            assert info["storage_error"]
            assert info["breaker_opened"] == "1"
            assert int(info["breaker_refused"]) == 2
            assert monotonic_ns() - started_ns < 60_000_000_000, "nothing waits for a probe"
            others[4].send(encode("BLPOP", "q", "0"))
        wait_until(lambda: client.info("channel")["breaker_state"] == "closed", "a late answer")
        assert client.command("GET", "k") == b"v"
        assert client.command("RPUSH", "q", "1", "2") == 2
        assert [others[number].reply() for number in (3, 4)] == [[b"q", b"1"], [b"q", b"2"]]


def test_a_read_is_not_asked_again_for_ever(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(read_retries_max=0)
    with server.client() as client, server.client() as reader:
        with stopped(client) as process_id:
            reader.send(encode("GET", "k"))
            wait_until(lambda: client.info("channel")["sent_runs"] == "1", "the read under way")
            os.kill(process_id, signal.SIGKILL)
        reply = reader.reply()
        assert isinstance(reply, ErrorReply)
        assert str(reply).startswith("ERR the storage runtime stopped ")
        assert client.command("CONFIG", "SET", "read-retries-max", 1) == b"OK"
        assert reader.command("GET", "k") is None


@pytest.mark.parametrize("name", ["queue", "storage"])
def test_info_tells_times_until_they_are_reset(
    server: ServerProcess, client: Client, name: str
) -> None:
    assert client.pipeline([("SET", "k", n) for n in range(100)]) == [b"OK"] * 100
    facts = client.info("channel")
    assert int(facts["requests_sent"]) >= 100
    shares = [int(facts[f"{name}_us_{share}"]) for share in ("p50", "p99", "p999", "max")]
    assert shares == sorted(shares)
    assert shares[-1] > 0
    assert client.command("CONFIG", "RESETSTAT") == b"OK"
    assert int(client.info("channel")["requests_sent"]) < 100


def test_info_does_not_wait_for_what_others_have_sent(start_kiwi: StartKiwi) -> None:
    """It is answered between two frames, although many wait in front of it."""
    server = start_kiwi(runtime_health_interval=60_000)
    script = "for i = 1, 1000000 do end"
    with server.client() as client, clients(server) as others:
        with stopped(client):
            for other in others:
                other.send(encode("EVAL", script, 0))
                # Answered in the tick in which that leaves, at the earliest: each has its frame.
                assert client.command("PING") == b"PONG"
            client.send(encode("INFO", "everything"))
        facts = dict(line.split(":", 1) for line in client.reply().decode().split() if ":" in line)
        assert "used_memory_lua" in facts, "storage has answered"
        assert int(facts["pending_requests"]) > CONNECTIONS // 2
        assert [other.reply() for other in others] == [None] * CONNECTIONS


def test_info_tells_what_was_sent_before_it(client: Client) -> None:
    """In one pipeline, too: only what others have sent may wait."""
    for number in range(1, 20):
        text = client.pipeline([("SET", f"k{number}", "v"), ("INFO", "keyspace")])[1]
        assert f"db0:keys={number}," in text.decode()
