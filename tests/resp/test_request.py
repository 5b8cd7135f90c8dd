"""The strict request parser: every rule, every error text, any chunking."""

from __future__ import annotations

import tracemalloc

import pytest

from kiwi_engine.errors import ProtocolError
from kiwi_engine.resp.request import LINE_BYTES_MAX, Limits, RequestParser


def parse(data: bytes, limits: Limits | None = None, chunk_bytes: int = 2**30) -> list[list[bytes]]:
    parser = RequestParser(limits or Limits())
    commands: list[list[bytes]] = []
    for start in range(0, len(data), chunk_bytes):
        chunk = data[start : start + chunk_bytes]
        assert parser.advance(chunk, commands) == len(chunk)
    return commands


COMMANDS = [
    (b"", []),
    (b"*1\r\n$4\r\nPING\r\n", [[b"PING"]]),
    (b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", [[b"GET", b""]]),
    (b"*1\r\n$4\r\n\r\n*1\r\n", [[b"\r\n*1"]]),
    (b"*0\r\n*-1\r\n*-7\r\n\r\n\n  \r\n", []),
    (b"PING\r\n*1\r\n$1\r\na\r\nECHO 'x y'\n", [[b"PING"], [b"a"], [b"ECHO", b"x y"]]),
    # The two bytes behind a payload and the one behind a CR are not looked at.
    (b"*1\rX$1\rXaXX*1\r\n$1\r\nb\r\n", [[b"a"], [b"b"]]),
    (b"*2\r\n$1\r\na\r\n", []),
    (b"*1\r\n$5\r\nab", []),
    (b"PIN", []),
]


@pytest.mark.parametrize(("data", "commands"), COMMANDS)
@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 2**30])
def test_commands(data: bytes, commands: list[list[bytes]], chunk_bytes: int) -> None:
    assert parse(data, chunk_bytes=chunk_bytes) == commands


LOCKED_OUT = Limits(authenticated=False)
ERRORS = [
    (b"*x\r\n", "invalid multibulk length", None),
    (b"*01\r\n", "invalid multibulk length", None),
    (b"*+1\r\n", "invalid multibulk length", None),
    (b"* 1\r\n", "invalid multibulk length", None),
    (b"*\r\n", "invalid multibulk length", None),
    (b"*2147483648\r\n", "invalid multibulk length", None),
    (b"*99999999999999999999\r\n", "invalid multibulk length", None),
    (b"*1\r\n+PING\r\n", "expected '$', got '+'", None),
    (b"*1\r\n\r\n", "expected '$', got '\r'", None),
    (b"*1\r\n\x00\r\n", "expected '$', got '\x00'", None),
    (b"*1\r\n\xff\r\n", "expected '$', got '\udcff'", None),
    (b"*1\r\n$-1\r\n", "invalid bulk length", None),
    (b"*1\r\n$x\r\n", "invalid bulk length", None),
    (b"*1\r\n$536870913\r\n", "invalid bulk length", None),
    (b"*1\r\n$11\r\n", "invalid bulk length", Limits(bulk_bytes_max=10)),
    (b"*11\r\n", "unauthenticated multibulk length", LOCKED_OUT),
    (b"*1\r\n$16385\r\n", "unauthenticated bulk length", LOCKED_OUT),
    (b"*" + b"1" * LINE_BYTES_MAX, "too big mbulk count string", None),
    (b"*1\r\n$" + b"1" * LINE_BYTES_MAX, "too big bulk count string", None),
    (b"a" * (LINE_BYTES_MAX + 1), "too big inline request", None),
    (b"set a 'b\r\n", "unbalanced quotes in request", None),
    (b"\x16\x03\x01\x02\x00", "TLS on a port without TLS", None),
    (b"*1\r\n$50\r\n" + b"x" * 30, "command exceeds client-query-buffer-limit", Limits(50, 30)),
]


@pytest.mark.parametrize(("data", "text", "limits"), ERRORS)
@pytest.mark.parametrize("chunk_bytes", [7, 2**30])
def test_errors(data: bytes, text: str, limits: Limits | None, chunk_bytes: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse(data, limits, chunk_bytes)
    assert caught.value.text == f"ERR Protocol error: {text}"


def test_what_precedes_an_error_is_delivered() -> None:
    commands: list[list[bytes]] = []
    with pytest.raises(ProtocolError):
        RequestParser().advance(b"PING\r\n*1\r\n$1\r\na\r\n*x\r\n", commands)
    assert commands == [[b"PING"], [b"a"]]


@pytest.mark.parametrize(
    ("data", "limits"),
    [
        (b"*10\r\n$16384\r\n", LOCKED_OUT),
        (b"*2147483647\r\n$536870912\r\n", Limits()),
        (b"*1\r\n$10\r\n0123456789", Limits(bulk_bytes_max=10)),
    ],
)
def test_the_limits_themselves_are_allowed(data: bytes, limits: Limits) -> None:
    parse(data, limits)


def test_claims_allocate_nothing() -> None:
    tracemalloc.start()
    parser = RequestParser()
    parser.advance(b"*2147483647\r\n$536870912\r\nabc", [])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000
    assert parser.pending_bytes == 28


def test_a_long_argument_is_kept_once_and_in_linear_time() -> None:
    size, chunk = 16 * 2**20, b"x" * 2**16
    parser = RequestParser()
    commands: list[list[bytes]] = []
    tracemalloc.start()
    parser.advance(b"*1\r\n$%d\r\n" % size, commands)
    for _ in range(size // len(chunk)):
        parser.advance(chunk, commands)
    parser.advance(b"\r\n", commands)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert commands == [[b"x" * size]]
    assert peak < 1.3 * size
    assert parser.at_boundary
    assert parser.pending_bytes == 0


def test_stopping_after_a_count() -> None:
    parser = RequestParser()
    data = b"*1\r\n$1\r\na\r\nPING\r\n*1\r\n$1\r\nb\r\n"
    commands: list[list[bytes]] = []
    assert parser.advance(data[:9], commands, 1) == 9
    taken = 9 + parser.advance(data[9:], commands, 1)
    assert data[taken:].startswith(b"PING")
    assert parser.advance(data[taken:], commands, 1) == len(b"PING\r\n")
    assert commands == [[b"a"], [b"PING"]]


def test_a_held_line_does_not_count_twice() -> None:
    parser = RequestParser()
    commands: list[list[bytes]] = []
    parser.advance(b"PI", commands)
    assert parser.pending_bytes == 2
    assert parser.advance(b"NG\r\nX", commands, 1) == 4
    assert (commands, parser.pending_bytes) == ([[b"PING"]], 0)
