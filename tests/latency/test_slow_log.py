"""The slow log keeps the newest commands, and numbers them for ever."""

from __future__ import annotations

from kiwi_engine.commands.slowness import ARGUMENT_BYTES_MAX, ARGUMENTS_MAX, shortened
from kiwi_engine.server.network.latency.slow_log import SlowLog


def filled(log: SlowLog, count: int) -> None:
    for number in range(count):
        log.add(1000 + number, (1, 2, 3), [b"get", b"%d" % number], "127.0.0.1:9", b"me")


def test_the_newest_come_first_and_the_oldest_go() -> None:
    log = SlowLog(3)
    filled(log, 5)
    assert [entry.number for entry in log.newest(-1)] == [4, 3, 2]
    assert [entry.words[1] for entry in log.newest(2)] == [b"4", b"3"]
    assert len(log) == 3


def test_a_shorter_log_keeps_the_newest_and_a_cleared_one_goes_on_counting() -> None:
    log = SlowLog(10)
    filled(log, 5)
    log.resize(2)
    assert [entry.number for entry in log.newest(10)] == [4, 3]
    log.clear()
    assert len(log) == 0
    filled(log, 1)
    assert log.newest(10)[0].number == 5
    log.resize(0)
    filled(log, 3)
    assert log.newest(-1) == []


def test_what_redis_shortens_is_shortened() -> None:
    words = [b"mset", *(b"%d" % number for number in range(40))]
    short = shortened(words)
    assert len(short) == ARGUMENTS_MAX
    assert short[-1] == b"... (10 more arguments)"
    assert shortened(words[:ARGUMENTS_MAX]) == words[:ARGUMENTS_MAX]
    long = b"x" * (ARGUMENT_BYTES_MAX + 5)
    assert shortened([b"get", long]) == [b"get", b"x" * ARGUMENT_BYTES_MAX + b"... (5 more bytes)"]
    assert shortened([b"get", b"k"], 900)[-1] == b"... (900 such commands in a row)"
