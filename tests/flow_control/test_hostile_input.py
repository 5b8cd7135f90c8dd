"""Any bytes are served, or answered with an error and a close, as Redis does."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from random import Random

import pytest

from kiwi_engine.errors import ProtocolError
from kiwi_engine.resp.fast import RequestReader
from kiwi_engine.resp.request import Limits, RequestParser
from tests.conftest import QUICK_START
from tests.support.client import encode
from tests.support.hostile_input import chunks_of, hostile_input
from tests.support.hostile_rounds import SETTINGS, answer, compare
from tests.support.servers import ServerProcess, find_redis_server, kiwi, redis_server

ROUNDS = 40
CLAIMED_BYTES_MAX = 200_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("hostile") / "data"
    with kiwi(directory, {**QUICK_START, **SETTINGS}) as running:
        yield running


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    if find_redis_server() is None:
        pytest.skip("redis-server is not installed")
    with redis_server(tmp_path_factory.mktemp("reference"), SETTINGS) as running:
        yield running


@pytest.mark.parametrize("block", range(3))
def test_random_bytes_are_answered_as_redis_answers_them(
    server: ServerProcess, reference: ServerProcess, block: int
) -> None:
    for seed in range(block * ROUNDS, (block + 1) * ROUNDS):
        assert compare(reference.port, server.port, seed) == ""


# A web page can have its reader's browser send the like.
WEB_REQUESTS = [
    b"POST / HTTP/1.1\r\n\r\nFLUSHALL\r\n",
    b"PING\r\npost / HTTP/1.1\r\n",
    b"GET /\r\nhost: 127.0.0.1\r\n",
    encode("Host:"),
    b"MULTI\r\nPOST /\r\n",
]


@pytest.mark.parametrize("data", WEB_REQUESTS)
def test_a_web_request_ends_the_connection_without_a_word(
    server: ServerProcess, data: bytes
) -> None:
    assert answer(server.port, [data]).received == b""
    assert "a web request (POST or Host:) came from 127.0.0.1:" in server.output()


@pytest.mark.parametrize("data", WEB_REQUESTS)
def test_so_it_is_with_redis(reference: ServerProcess, data: bytes) -> None:
    assert answer(reference.port, [data]).received == b""


@pytest.mark.parametrize(
    "claim",
    [
        b"*1000000000\r\n",
        b"*2147483647\r\n$536870912\r\nx",
        b"*1\r\n" * 10_000,
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nabc",
        b"*-2147483648\r\n" * 1000,
        b"*1\r\n$-536870912\r\n",
        b"*100000\r\n" * 3,
        b"%1000000000\r\n~999999\r\n>99999\r\n",
        encode("PING") * 3 + b"*999999\r\n*99999\r\n*9999\r\n",
    ],
)
def test_nothing_is_allocated_for_what_is_only_claimed(claim: bytes) -> None:
    for chunk_bytes in (1, 100, len(claim)):
        tracemalloc.start()
        reader = RequestReader()
        for start in range(0, len(claim), chunk_bytes):
            reader.feed(claim[start : start + chunk_bytes])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < CLAIMED_BYTES_MAX, f"in chunks of {chunk_bytes}"


@pytest.mark.parametrize("block", range(5))
def test_the_reader_says_the_same_however_the_input_is_cut(block: int) -> None:
    """With all limits at work, and logins that fail: what was held is judged by the same ones."""
    for seed in range(block * 100, (block + 1) * 100):
        source = Random(seed)
        limits = Limits(
            bulk_bytes_max=source.choice([100, 20_000]),
            command_bytes_max=1 << 20,
            authenticated=source.random() < 0.5,
        )
        data = hostile_input(source)
        whole = feed_all(limits, [data])
        assert whole == strictly(limits, data), f"seed {seed}"
        assert feed_all(limits, chunks_of(source, data)) == whole, f"seed {seed}"


def strictly(limits: Limits, data: bytes) -> tuple[list[list[bytes]], str]:
    """What the specification makes of it: the parser that knows no short cut."""
    commands: list[list[bytes]] = []
    try:
        RequestParser(limits).advance(data, commands)
    except ProtocolError as error:
        return commands, error.text
    return commands, ""


def feed_all(limits: Limits, chunks: list[bytes]) -> tuple[list[list[bytes]], str]:
    reader = RequestReader(limits)
    commands: list[list[bytes]] = []
    for chunk in chunks:
        commands += reader.feed(chunk)
        while reader.held:
            commands += reader.feed(b"")
    return commands, reader.error.text if reader.error else ""
