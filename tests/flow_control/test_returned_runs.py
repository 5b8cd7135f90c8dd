"""Runs that come back because their client is to read first: executed once, in their places."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Sequence
from time import sleep
from typing import Any, Final

import pytest

from kiwi_engine.channel.returned_runs import decode_returned, encode_returned, is_returned
from kiwi_engine.server.network.slots import ReplyLine, Slot
from tests.conftest import QUICK_START
from tests.support.client import ErrorReply, encode
from tests.support.servers import ServerProcess, kiwi

SEEDS: Final = 5
TOO_LATE: Final = (
    "TIMEOUT the storage runtime stopped before it answered, and a later write may have been made"
)


def test_a_returned_run_is_known_by_its_number() -> None:
    identity, encoded = encode_returned(7, 3, b"+OK\r\n")
    assert is_returned(identity)
    assert not is_returned(7)
    assert decode_returned(identity, encoded) == (7, 3, b"+OK\r\n")


class Bench:
    """A line of replies, and how often it was told of a return."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.returns = 0
        self.line = ReplyLine(self.written.append)
        self.line.on_return = self._returned

    def _returned(self) -> None:
        self.returns += 1

    def slot(self, *names: bytes, size: int = 0) -> Slot:
        slot = Slot(self.line, [[name] for name in names], size=size)
        self.line.append(slot)
        return slot


def test_the_rest_of_a_run_keeps_its_place() -> None:
    bench = Bench()
    first, second = bench.slot(b"a", b"b", b"c", size=30), bench.slot(b"d")
    first.return_rest(1, b"A")
    second.return_rest(0, b"")
    assert bench.written == [b"A"]
    assert bench.returns == 2
    assert (first.commands, first.bytes) == ([[b"b"], [b"c"]], 20)
    assert bench.line.take_returned() == [first, second]
    assert bench.line.take_returned() == []
    second.complete(b"D")
    first.complete(b"BC")
    assert bench.written == [b"A", b"BC", b"D"]


def test_the_beginning_of_a_run_waits_for_earlier_replies() -> None:
    bench = Bench()
    first, second = bench.slot(b"a"), bench.slot(b"b", b"c")
    second.return_rest(1, b"B")
    assert bench.written == []
    first.complete(b"A")
    second.complete(b"C")
    assert bench.written == [b"A", b"BC"]


def test_a_run_that_begins_twice_keeps_its_order() -> None:
    """What waited behind an earlier reply is in front of what came when that had left."""
    bench = Bench()
    first, second = bench.slot(), bench.slot(b"b", b"c", b"d")
    second.return_rest(1, b"B")
    first.complete(b"A")
    second.return_rest(1, b"C")
    second.complete(b"D")
    assert b"".join(bench.written) == b"ABCD"


def test_a_silent_run_stays_silent() -> None:
    bench = Bench()
    slot = bench.slot(b"a", b"b")
    slot.is_silent = True
    slot.return_rest(1, b"A")
    slot.complete(b"B")
    assert b"".join(bench.written) == b""


@pytest.mark.parametrize("answers", [[None, b"C"], [b"B", None]])
def test_a_run_that_is_split_behind_its_beginning(answers: list[bytes | None]) -> None:
    """Its storage runtime died when it had been sent again, and its beginning had not left."""
    bench = Bench()
    first, slot = bench.slot(b"x"), bench.slot(b"a", b"b", b"c")
    slot.return_rest(1, b"A")
    bench.line.take_returned()
    (asked_again,) = slot.split(answers)
    first.complete(b"X")
    asked_again.complete(b"B" if answers[0] is None else b"C")
    assert b"".join(bench.written) == b"XABC"


# ---- both runtimes together


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with kiwi(tmp_path_factory.mktemp("returned") / "data", QUICK_START) as running:
        yield running


def random_commands(source: random.Random) -> list[Sequence[bytes | str | int]]:
    key = f"k{source.randrange(4)}"
    value = b"v" * source.choice([1, 50, 200, 1000])
    if source.random() < 0.05:
        # One that may wait, but has something to take: how long others take is not to matter.
        return [("RPUSH", "l" + key, value), ("BLPOP", "l" + key, "lk0", 60)]
    choices: list[Sequence[bytes | str | int]] = [
        ("APPEND", key, value),
        ("SET", key, value),
        ("GET", key),
        ("GET", key),
        ("MGET", key, "k0", "k1"),
        ("RPUSH", "l" + key, value),
        ("LRANGE", "l" + key, 0, -1),
        ("GETRANGE", key, 0, 300),
        ("SET", "n", 1, "GET"),
        ("INCR", "n"),
        ("PING", "here"),
        ("ECHO", value),
        ("SELECT", source.randrange(2)),
        ("MULTI",),
        ("EXEC",),
        ("WATCH", key),
        ("DISCARD",),
        ("NONSENSE",),
        ("CLIENT", "REPLY", source.choice(["ON", "SKIP"])),
        ("EVAL", "return redis.call('GET', KEYS[1])", 1, key),
        ("CONFIG", "GET", "maxclients"),
        ("PUBLISH", "channel", "message"),
    ]
    return [source.choice(choices)]


def random_session(seed: int) -> list[bytes]:
    """Chunks of a pipeline; what leaves it in a state is undone at its end."""
    source = random.Random(seed)
    commands = [words for _ in range(source.randint(30, 250)) for words in random_commands(source)]
    commands += [("CLIENT", "REPLY", "ON"), ("DISCARD",), ("ECHO", "the end")]
    data = b"".join(encode(*words) for words in commands)
    chunks, start = [], 0
    while start < len(data):
        size = source.choice([40, 500, 5000, 50_000])
        chunks.append(data[start : start + size])
        start += size
    return chunks


def outcome(server: ServerProcess, chunks: list[bytes], reply_bytes: int) -> bytes:
    """All replies, with the bound that is given."""
    with server.client() as admin, server.client() as client:
        assert admin.command("CONFIG", "SET", "channel-reply-bytes", reply_bytes) == b"OK"
        assert admin.command("FLUSHALL") == b"OK"
        for chunk in chunks:
            client.send(chunk)
        received = bytearray()
        while not received.endswith(b"$7\r\nthe end\r\n"):
            data = client.socket.recv(1 << 16)
            assert data, "the connection was closed"
            received += data
        state = [admin.command("GET", f"k{n}") for n in range(4)]
        return bytes(received) + repr(state).encode()


@pytest.mark.parametrize("block", range(3))
def test_a_bound_on_replies_changes_no_reply(server: ServerProcess, block: int) -> None:
    before = returns(server)
    for seed in range(block * SEEDS, (block + 1) * SEEDS):
        chunks = random_session(seed)
        expected = outcome(server, chunks, 1 << 30)
        for reply_bytes in (1, 700):
            assert outcome(server, chunks, reply_bytes) == expected, f"seed {seed}"
    assert returns(server) > before


def returns(server: ServerProcess) -> int:
    with server.client() as client:
        return int(client.info("channel")["runs_returned"])


# Keeps the storage runtime busy for a while; to a script time stands still.
BUSY: Final = "local sum = 0 for step = 1, ARGV[1] do sum = sum + step end return 'done'"


def test_a_returned_run_is_sent_again_when_all_behind_it_is_lost(server: ServerProcess) -> None:
    """Its client reads, but no reply can leave by which it would be noticed."""
    with server.client(20) as control, server.client(20) as client, server.client(20) as other:
        assert control.command("CONFIG", "SET", "channel-reply-bytes", 1000) == b"OK"
        assert control.command("FLUSHALL") == b"OK"
        assert client.command("SET", "large", b"x" * 2000) == b"OK"
        dead = int(control.info("server")["storage_process_id"])
        first = [("EVAL", BUSY, 0, 40_000_000), ("GET", "large"), ("GET", "large")]
        client.send(b"".join(encode(*command) for command in first))
        sleep(0.1)
        other.send(encode("EVAL", BUSY, 0, 2_000_000_000))
        sleep(0.05)
        client.send(encode("RPUSH", "list", 1))
        assert [client.reply(), client.reply()] == [b"done", b"x" * 2000]
        os.kill(dead, signal.SIGKILL)
        assert client.reply() == b"x" * 2000
        assert str(client.reply()).startswith("UNKNOWN outcome")
        assert str(other.reply()).startswith("UNKNOWN outcome")


@pytest.mark.parametrize("seed", range(3))
def test_each_command_is_answered_once_when_storage_dies_meanwhile(
    server: ServerProcess, seed: int
) -> None:
    """Writes keep their order, and are made once, although runs are on their way back."""
    source = random.Random(seed)
    count = 3000
    with server.client(60) as control, server.client(60) as client:
        assert control.command("CONFIG", "SET", "channel-reply-bytes", 1000) == b"OK"
        assert control.command("FLUSHALL") == b"OK"
        client.command("SET", "large", b"x" * 2000)
        commands = [
            ("GET", "large") if source.random() < 0.2 else ("RPUSH", "list", number)
            for number in range(count)
        ]
        dead = int(control.info("server")["storage_process_id"])
        client.send(b"".join(encode(*command) for command in commands))
        replies = [client.reply() for _ in range(source.randrange(count // 2))]
        os.kill(dead, signal.SIGKILL)
        replies += [client.reply() for _ in range(count - len(replies))]
        assert client.command("ECHO", "the end") == b"the end"
        made = [int(number) for number in client.command("LRANGE", "list", 0, -1)]
    acknowledged = [
        number
        for number, reply in enumerate(replies)
        if commands[number][0] == "RPUSH" and not isinstance(reply, ErrorReply)
    ]
    problems = {str(reply).split(":")[0] for reply in replies if isinstance(reply, ErrorReply)}
    assert made == sorted(set(made)), "a write was made twice, or out of order"
    assert set(acknowledged) <= set(made), "an acknowledged write is missing"
    assert problems <= {"UNKNOWN outcome", TOO_LATE}, problems
