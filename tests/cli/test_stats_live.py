"""`kiwi-engine stats` against a server that is played by the test: its output and its errors."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rich.console import Console

from kiwi_engine.cli.facts import human, parse_info, print_tables
from kiwi_engine.cli.main import main

INFO = (
    "# Server\r\nkiwi_version:0.1.0\r\nredis_version:7.2.0\r\nexecutable:/opt/a=b\r\n"
    "uptime_in_seconds:12\r\n\r\n# Memory\r\nused_memory:2097152\r\nratio:-1.50\r\n\r\n"
    "# Commandstats\r\ncmdstat_get:calls=2,usec=7,usec_per_call=3.50\r\n"
    "cmdstat_set:calls=1,usec=4,rejected_calls=0\r\n\r\n"
    "# Keyspace\r\ndb0:keys=3,expires=1\r\n\r\n# Empty\r\n"
)
FACTS = {
    "server": {
        "kiwi_version": "0.1.0",
        "redis_version": "7.2.0",
        "executable": "/opt/a=b",
        "uptime_in_seconds": 12,
    },
    "memory": {"used_memory": 2097152, "ratio": -1.5},
    "commandstats": {
        "cmdstat_get": {"calls": 2, "usec": 7, "usec_per_call": 3.5},
        "cmdstat_set": {"calls": 1, "usec": 4, "rejected_calls": 0},
    },
    "keyspace": {"db0": {"keys": 3, "expires": 1}},
    "empty": {},
}
ASK_INFO = b"*2\r\n$4\r\nINFO\r\n$10\r\neverything\r\n"
ASK_AUTH = b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n"


def bulk(text: str) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text.encode()), text.encode())


@contextmanager
def playing(*script: tuple[bytes, bytes]) -> Iterator[int]:
    """A server on a free port that expects each request of `script` and sends its reply."""
    listener = socket.create_server(("127.0.0.1", 0))
    received: list[bytes] = []

    def play() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10)
            for request, reply in script:
                data = b""
                while len(data) < len(request) and (part := connection.recv(4096)):
                    data += part
                received.append(data)
                connection.sendall(reply)

    thread = threading.Thread(target=play)
    thread.start()
    with listener:
        yield listener.getsockname()[1]
        thread.join()
    assert received == [request for request, _ in script]


def stats(port: int, *more: str) -> int:
    return main(["stats", "--port", str(port), *more])


def test_info_is_parsed_into_numbers_and_sections() -> None:
    assert parse_info(INFO) == FACTS


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    with playing((ASK_INFO, bulk(INFO))) as port:
        assert stats(port, "--json") == 0
    assert json.loads(capsys.readouterr().out) == FACTS


def test_tables_name_every_section_and_field(capsys: pytest.CaptureFixture[str]) -> None:
    with playing((ASK_INFO, bulk(INFO))) as port:
        assert stats(port) == 0
    out = capsys.readouterr().out
    for word in (*FACTS, "kiwi_version", "7.2.0", "2.0 MiB", "cmdstat_get", "usec_per_call", "3.5"):
        assert word in out


def test_a_password_is_sent_first() -> None:
    with playing((ASK_AUTH, b"+OK\r\n"), (ASK_INFO, bulk(INFO))) as port:
        assert stats(port, "--password", "secret") == 0


def test_the_password_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIWI_REQUIREPASS", "secret")
    with playing((ASK_AUTH, b"+OK\r\n"), (ASK_INFO, bulk(INFO))) as port:
        assert stats(port) == 0


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (b"-NOAUTH Authentication required.\r\n", "wants a password"),
        (b"-ERR something else\r\n", "answered: ERR something else"),
        (b":1\r\n", "gave no text"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak RESP"),
        (b"", "closed the connection"),
        (b"$2000000\r\n" + b"x" * 1_100_000, "too long"),
    ],
)
def test_answers_that_are_no_info(
    reply: bytes, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with playing((ASK_INFO, reply)) as port:
        assert stats(port) == 1
    assert says in capsys.readouterr().err


def test_a_wrong_password(capsys: pytest.CaptureFixture[str]) -> None:
    with playing((ASK_AUTH, b"-WRONGPASS invalid username-password pair\r\n")) as port:
        assert stats(port, "--password", "secret") == 1
    assert "refused the password" in capsys.readouterr().err


def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert stats(port) == 1
    assert f"no server listens on 127.0.0.1:{port}" in capsys.readouterr().err


def test_watch_prints_one_json_line_each_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waits: list[float] = []

    def sleep_twice(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("kiwi_engine.cli.stats.sleep", sleep_twice)
    with playing((ASK_INFO, bulk(INFO)), (ASK_INFO, bulk("# Server\r\na:1\r\n"))) as port:
        assert stats(port, "--json", "--watch", "0.5") == 0
    assert waits == [0.5, 0.5]
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [FACTS, {"server": {"a": 1}}]


@pytest.mark.parametrize(
    "words", [["--watch", "0"], ["--watch", "x"], ["--port", "x"], ["--port", "1", "--dir", "d"]]
)
def test_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["stats", *words])
    assert stopped.value.code == 2


def test_an_empty_section_is_shown_as_such() -> None:
    out = io.StringIO()
    print_tables({"errorstats": {}}, Console(file=out))
    assert "nothing yet" in out.getvalue()


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("wal_bytes", 1023, "1023"),
        ("wal_bytes", 1024, "1024 (1.0 KiB)"),
        ("used_memory", 5 * 1024**5, f"{5 * 1024**5} (5120.0 TiB)"),
        ("keys", 4096, "4096"),
        ("note_bytes", "many", "many"),
    ],
)
def test_bytes_get_a_unit(field: str, value: int | str, shown: str) -> None:
    assert human(field, value) == shown
