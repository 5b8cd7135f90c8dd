"""The fast reader equals the strict parser, on any bytes in any chunks."""

from __future__ import annotations

import random
import tracemalloc
from typing import Any

import hiredis
import pytest

from kiwi_engine.errors import ProtocolError
from kiwi_engine.resp.fast import RequestReader
from kiwi_engine.resp.request import Limits, RequestParser
from tests.support.client import encode

PIECES = (
    (
        b"*1 *0 *-1 *3 $1 $3 $0 $-1 $22 $24 a SET PING + =8 ( >1 ~1 %1 |1 :7 _ #t ,1 !3 -ERR "
        b"*01 $+1 *1000000000 *999999 $999999999999 ' \""
    ).split()
    + [b"\r\n"] * 8
    + [b"\n", b"\r", b"\x00", b" "]
)
ARGUMENTS = [b"", b"a", b"SET", b"*3\r\n", b"$1", b"=+", b"\r\n*1\r\n$1\r\n", b":7\r\n", b"*123456"]


def strict(data: bytes, limits: Limits) -> tuple[list[list[bytes]], str | None]:
    commands: list[list[bytes]] = []
    try:
        RequestParser(limits).advance(data, commands)
    except ProtocolError as error:
        return commands, error.text
    return commands, None


def read(reader: RequestReader, chunks: list[bytes]) -> tuple[list[list[bytes]], str | None]:
    commands: list[list[bytes]] = []
    for chunk in chunks:
        commands += reader.feed(chunk)
    return commands, reader.error.text if reader.error else None


def random_input(source: random.Random) -> bytes:
    """A pipeline, most of it right."""
    parts = []
    for _ in range(source.randint(1, 8)):
        kind = source.random()
        words = [source.choice([*ARGUMENTS, b"x" * source.randint(0, 40)]) for _ in range(3)]
        if kind < 0.65:
            parts.append(encode(*words[: source.randint(1, 3)]))
        elif kind < 0.72:
            parts.append(b"".join(source.choices(PIECES, k=source.randint(1, 10))))
        elif kind < 0.82:
            parts.append(encode(b"y" * source.choice([5, 1100, 3000])))
        elif kind < 0.88:
            parts.append(b"PING x\r\n")
        elif kind < 0.92:
            parts.append(source.randbytes(5))
        else:
            spoilt = bytearray(encode(b"GET", b"k"))
            spoilt[source.randrange(len(spoilt))] = source.randrange(256)
            parts.append(bytes(spoilt))
    return b"".join(parts)


def random_chunks(source: random.Random, data: bytes) -> list[bytes]:
    bytes_max = source.choice([1, 5, 60, 200, 10**6])
    chunks, start = [], 0
    while start < len(data):
        size = source.randint(1, bytes_max)
        chunks.append(data[start : start + size])
        start += size
    return chunks


@pytest.mark.parametrize("block", range(10))
def test_equals_the_strict_parser(block: int) -> None:
    for seed in range(block * 1000, (block + 1) * 1000):
        source = random.Random(seed)
        data = random_input(source)
        limits = Limits(bulk_bytes_max=source.choice([10, 2000, 10**6]))
        chunks = random_chunks(source, data)
        expected = strict(data, limits)
        assert read(RequestReader(limits), chunks) == expected, f"seed {seed}: {chunks}"
        parser = RequestParser(limits)
        commands: list[list[bytes]] = []
        try:
            for chunk in chunks:
                parser.advance(chunk, commands)
        except ProtocolError as error:
            assert error.text == expected[1], f"seed {seed}"
        assert commands == expected[0], f"seed {seed}: {chunks}"


class CountingReader:
    """hiredis' reader, counting what comes out of it."""

    made: Any = hiredis.Reader
    replies = 0

    def __init__(self) -> None:
        self._reader = self.made()
        self.feed = self._reader.feed

    def gets(self) -> Any:
        CountingReader.replies += 1
        return self._reader.gets()


def count_fast(monkeypatch: pytest.MonkeyPatch, data: bytes) -> int:
    """How many replies hiredis gave for `data`."""
    monkeypatch.setattr(hiredis, "Reader", CountingReader)
    monkeypatch.setattr(CountingReader, "replies", 0)
    expected = strict(data, Limits())
    assert read(RequestReader(), [data]) == expected
    return CountingReader.replies


SET = encode(b"SET", b"key:1", b"value")


def test_pipelines_take_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_fast(monkeypatch, SET * 100) == 102
    # An incomplete tail costs the fast path nothing of what precedes it.
    assert count_fast(monkeypatch, SET * 100 + SET[:-9]) == 101


# What hiredis would take for a list or a text of another kind.
@pytest.mark.parametrize("text", [b">1", b"~1", b"%2", b"|3", b"(4", b"(-", b"+ =1"])
def test_possible_headers_avoid_hiredis(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    assert count_fast(monkeypatch, SET + encode(b"GET", text)) == 0


@pytest.mark.parametrize("text", [b"a+b", b"x=1", b"(a) > b | c ~ 100%", b"+=", b"+" * 5000])
def test_ordinary_text_takes_the_fast_path(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    assert count_fast(monkeypatch, SET * 2 + encode(b"SET", b"k", text)) > 3


@pytest.mark.parametrize(
    "alien",
    [
        b"+PING\r\n",
        b"*1\r\n+PING\r\n",
        b"*1\r\n=8\r\ntxt:PING\r\n",
        b"*2\r\n+PI\r\n=8\r\ntxt:PING\r\n",
        b"*1\r\n(12\r\n",
        b"~1\r\n$1\r\na\r\n",
        b">1\r\n$1\r\na\r\n",
        b"|1\r\n$1\r\na\r\n$1\r\nb\r\n",
        b"%1\r\n$1\r\na\r\n$1\r\nb\r\n",
        b":7\r\n",
        b"*1\r\n:7\r\n",
        b"*1\r\n_\r\n",
        b"*1\r\n*1\r\n$1\r\na\r\n",
    ],
)
def test_replies_are_not_requests(alien: bytes) -> None:
    for data in (alien, SET + alien, SET * 2 + alien + SET):
        for cut in range(len(data)):
            chunks = [data[:cut], data[cut:]]
            assert read(RequestReader(), chunks) == strict(data, Limits()), chunks


def test_long_commands_avoid_hiredis(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_fast(monkeypatch, encode(b"SET", b"k", b"x" * 5000) * 2) == 0


@pytest.mark.parametrize("tail", [b"", b"\r\n", b"*3\r\n$1\r\na\r\n"])
def test_huge_counts_allocate_nothing(tail: bytes) -> None:
    tracemalloc.start()
    reader = RequestReader()
    assert reader.feed(SET + SET + b"*1000000000\r\n" + tail) == strict(SET * 2, Limits())[0]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_nothing_is_read_after_an_error() -> None:
    reader = RequestReader()
    assert reader.feed(SET + b"*x\r\n" + SET) == [[b"SET", b"key:1", b"value"]]
    assert reader.error is not None
    assert reader.feed(SET) == []


def test_waits_behind_a_login() -> None:
    """What follows AUTH is judged by the limits that AUTH earns."""
    big = encode(b"SET", b"k", b"x" * 20_000)
    reader = RequestReader(Limits(authenticated=False))
    assert reader.feed(SET + encode(b"auth", b"p") + big + SET) == [
        [b"SET", b"key:1", b"value"],
        [b"auth", b"p"],
    ]
    assert (reader.held, reader.pending_bytes) == (True, len(big + SET))
    reader.limits = Limits()
    assert len(reader.feed(b"")) == 2
    assert not reader.held
    assert reader.error is None
    assert reader.pending_bytes == 0


def test_a_login_that_failed_keeps_the_limits() -> None:
    reader = RequestReader(Limits(authenticated=False))
    reader.feed(encode(b"HELLO", b"3") + encode(b"SET", b"k", b"x" * 20_000))
    assert reader.feed(b"") == []
    assert reader.error is not None
    assert reader.error.text == "ERR Protocol error: unauthenticated bulk length"


def test_a_login_asks_for_attention_when_nothing_follows_it_yet() -> None:
    """What it earns holds for the next chunk."""
    reader = RequestReader(Limits(authenticated=False))
    assert reader.feed(encode(b"AUTH", b"p")) == [[b"AUTH", b"p"]]
    assert (reader.held, reader.needs_attention) == (True, True)
    reader.limits = Limits()
    assert not reader.held
    assert reader.feed(b"") == []
    many = encode(*[b"x"] * 20)
    assert reader.feed(many) == [[b"x"] * 20]


def test_held_bytes_come_before_new_ones() -> None:
    reader = RequestReader(Limits(authenticated=False))
    assert reader.feed(encode(b"AUTH", b"p") + SET[:10]) == [[b"AUTH", b"p"]]
    assert reader.feed(SET[10:]) == [[b"SET", b"key:1", b"value"]]


def test_many_logins_in_a_chunk() -> None:
    reader = RequestReader(Limits(authenticated=False))
    chunk = b"AUTH x\r\n" * 1000 + b"PING\r\nPI"
    commands = reader.feed(chunk)
    while reader.held:
        assert len(commands) < 1001
        commands += reader.feed(b"")
    assert commands == [[b"AUTH", b"x"]] * 1000 + [[b"PING"]]
    assert reader.feed(b"NG\r\n") == [[b"PING"]]
