"""The benchmark of two processes against one runs, and judges what it measures."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks import isolation
from benchmarks.isolation_report import CLIENT, Isolation, Round, Waits
from benchmarks.mixed_load import VALUE, Shape, drive, key, pipelines, preload
from tests.conftest import StartKiwi


def result(dual: float, single: float) -> Isolation:
    """Rates in thousands; dual spends 1 µs and 3 µs a command in its processes, single 5 µs."""
    found = Isolation()
    found.rounds["dual"] = [
        Round(int(rate * 1000), 1.0, {"network": rate / 1e3, "storage": rate * 3e-3, CLIENT: 0.25})
        for rate in (dual, 1, 1000)
    ]
    found.rounds["single"] = [
        Round(int(rate * 1000), 1.0, {"server": rate * 5e-3, CLIENT: 0.25})
        for rate in (single, single, single)
    ]
    return found


def test_the_ratio_is_that_of_medians() -> None:
    assert result(240, 200).ratio == 1.2
    assert result(240, 200).verdict(2) == ["goal met: dual is 1.20 x single, goal 1.2"]


def test_a_missed_goal_is_explained_by_processor_time() -> None:
    missed, used, alone, seconds = result(200, 200).verdict(2)
    assert missed == "goal missed: dual is 1.00 x single, goal 1.2"
    assert used == "cores used, client included: 1.05 by dual, 1.25 by single, of 2"
    assert alone == "with a core for each process: 1.67 x single"
    assert seconds.endswith(": 333,333 and 200,000")


def test_the_page_has_a_row_for_each_mode() -> None:
    found = result(240, 200)
    waits = {kind: Waits(0.1, 2.0, 3.0) for kind in ("ping", "read")}
    found.waits["stall"] = {"dual": waits, "single": waits}
    found.skipped["slow sync"] = "strace is not installed"
    page = found.as_markdown({"cores": "2"})
    assert "| dual | 240,000 (1,000-1,000,000) | 1.21 | network 1.00, storage 3.00" in page
    assert "| stall | single | 0.1 | 2.0 | 3.0 | 0.1 | 2.0 | 3.0 |" in page
    assert "slow sync was left out: strace is not installed" in page


def test_what_was_not_measured_is_not_on_the_page() -> None:
    assert "##" not in Isolation().as_markdown({"cores": "2"})


def test_pipelines_name_every_reply() -> None:
    shape = Shape(connections=1, pipeline=50, writes=0.5)
    for requests, replies in pipelines(shape, seed=1):
        writes = requests.count(b"\r\nSET\r\n")
        assert writes + requests.count(b"\r\nGET\r\n") == 50
        assert replies.count(b"+OK\r\n") == writes
        assert replies.count(b"$64\r\n") == 50 - writes
    assert pipelines(shape, seed=1) == pipelines(shape, seed=1) != pipelines(shape, seed=2)


def test_a_load_and_a_stall_are_measured(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(drain_interval=20)
    shape = Shape(connections=4, pipeline=8, writes=0.5, keys=1500)
    preload(server.port, shape)
    with server.client() as client:
        assert client.command("GET", key(1499)) == VALUE
    load = drive(server.port, shape, 0.2, seed=1)
    assert load.commands >= 4 * 8
    assert 0 < load.processor_seconds <= load.seconds
    found = Isolation()
    isolation.measure_waits("stall", isolation.stall, {"dual": server}, found, 1.2)
    waits = found.waits["stall"]["dual"]
    assert waits["read"].most_ms >= isolation.STALL_S * 900
    assert waits["read"].p99_ms > waits["read"].p50_ms > 0


def test_a_wrong_reply_is_noticed() -> None:
    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"$-1\r\n")
            while connection.recv(1 << 16):
                pass

    shape = Shape(connections=1, pipeline=8, writes=0.0)
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as thread:
        answering = thread.submit(answer, listener)
        with pytest.raises(AssertionError, match="wrong replies"):
            drive(listener.getsockname()[1], shape, 0.2, seed=1)
        answering.result()
