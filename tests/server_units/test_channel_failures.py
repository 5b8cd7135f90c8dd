"""Reads that are asked again, requests that are refused, and who waits although nothing works."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import pytest

from kiwi_engine.channel.events import Waits, encode_event
from kiwi_engine.channel.frames import RunFlags
from kiwi_engine.server.network.lost_runs import UNKNOWN_OUTCOME
from kiwi_engine.server.network.slots import ReplyLine, Slot
from kiwi_engine.server.network.storage_client import StorageClient, client
from kiwi_engine.server.network.storage_client.answers import (
    REFUSED,
    REFUSED_TRANSACTION,
    RETRIED_TOO_OFTEN,
    TIMED_OUT,
)
from tests.server_units.channel_world import SETTINGS, Loop
from tests.server_units.test_connection_close import Bench as ConnectionBench
from tests.server_units.test_storage_client import GET, SET, FakeLink

MS = 1_000_000


class Line:
    """A connection."""

    def __init__(self, world: Clocked, source: int) -> None:
        self.world = world
        self.written: list[bytes] = []
        self.line = ReplyLine(self.written.append, source)

    def submit(self, *commands: list[bytes], flags: int = 0) -> Slot:
        slot = Slot(self.line, list(commands), size=10)
        slot.flags = flags
        slot.arrived_ns = self.world.loop.now_ns
        self.line.append(slot)
        if flags & RunFlags.BLOCKING:
            self.world.client.submit_blocking(slot)
        else:
            self.world.client.submit(slot, self.world.loop.now_ns)
        self.world.loop.run()
        return slot

    def block(self, *words: bytes) -> Slot:
        return self.submit(list(words), flags=RunFlags.BLOCKING)


class Clocked:
    """A client under a clock that the test moves; timeout 2 s, backoff 100 ms, one retry."""

    def __init__(self, **settings: Any) -> None:
        self.loop = Loop()
        changed = msgspec.structs.replace(SETTINGS, **settings)
        self.client = StorageClient(changed, self.loop, Random(1))  # type: ignore[arg-type]
        self.client.on_event = lambda event: (
            self.client.note_wait(event) if isinstance(event, Waits) else None
        )
        self.link = FakeLink()
        self.client.connect(self.link)

    def line(self, source: int = 1) -> Line:
        return Line(self, source)

    def pass_ms(self, milliseconds: int) -> None:
        self.loop.now_ns += milliseconds * MS
        self.client.expire(self.loop.now_ns)
        self.loop.run()

    def die(self) -> None:
        self.client.disconnect()

    def come_back(self) -> FakeLink:
        self.link = FakeLink()
        self.client.connect(self.link)
        self.loop.run()
        return self.link

    def answer(self, slot: Slot, blob: bytes = b"+") -> None:
        self.client.receive([(slot.run_id, blob)], [])
        self.loop.run()


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clocked]:
    world = Clocked()
    monkeypatch.setattr(client, "monotonic_ns", lambda: world.loop.now_ns)
    yield world
    world.loop.close()


# ---- reads are asked again


def test_a_read_waits_before_it_is_asked_again_and_its_connection_with_it(clocked: Clocked) -> None:
    reader, other = clocked.line(1), clocked.line(2)
    reader.submit(GET)
    clocked.die()
    reader.submit(SET)
    other.submit(SET)
    clocked.pass_ms(1000)
    link = clocked.come_back()
    assert link.commands == [[SET]], "that of the other connection"
    clocked.pass_ms(49)
    assert link.commands == [[SET]]
    clocked.pass_ms(51)
    assert link.commands == [[SET], [GET], [SET]]
    assert clocked.client.facts()["retries"] == 1


def test_a_read_that_kills_the_storage_runtime_is_given_up(clocked: Clocked) -> None:
    clocked.client.configure(msgspec.structs.replace(SETTINGS, read_retries_max=3))
    poison = clocked.line(1)
    poison.submit(GET, GET)
    for death in range(3):
        clocked.die()
        assert poison.written == []
        clocked.come_back()
        clocked.pass_ms(100 << death)
        assert clocked.link.commands == [[GET, GET]]
    clocked.die()
    assert poison.written == [2 * RETRIED_TOO_OFTEN]
    assert clocked.come_back().commands == []
    facts = clocked.client.facts()
    assert (facts["retries"], facts["pending_requests"]) == (6, 0)


def test_a_delayed_read_keeps_its_deadline(clocked: Clocked) -> None:
    """The one of its arrival, although younger requests were sent before it."""
    reader, other = clocked.line(1), clocked.line(2)
    slot = reader.submit(GET)
    clocked.pass_ms(1000)
    clocked.die()
    clocked.come_back()
    other.submit(GET)
    clocked.pass_ms(100)
    assert clocked.link.commands == [[GET], [GET]]
    clocked.pass_ms(899)
    assert reader.written == []
    clocked.pass_ms(1)
    assert (reader.written, other.written) == ([TIMED_OUT], [])
    clocked.answer(slot, b"late")
    assert reader.written == [TIMED_OUT]


def test_what_waits_behind_a_delayed_read_ends_at_its_deadline(clocked: Clocked) -> None:
    reader = clocked.line(1)
    reader.submit(GET)
    clocked.die()
    clocked.pass_ms(1500)
    reader.submit(SET)
    clocked.pass_ms(500)
    assert reader.written == [TIMED_OUT]
    link = clocked.come_back()
    clocked.pass_ms(100)
    assert link.commands == [[SET]]


def test_a_question_of_a_client_waits_for_its_delayed_writes(clocked: Clocked) -> None:
    """WAITAOF would be answered for what came before them."""
    reader = clocked.line(1)
    reader.submit(GET)
    clocked.die()
    reader.submit(SET)
    clocked.come_back()
    asked = clocked.loop.start(clocked.client.query("durability", {"sync": True}))
    clocked.client.tell_in_order("config_set", {"a": 1})
    clocked.pass_ms(100)
    frames = [
        ([run.commands for run in request.runs], [query.method for query in request.queries])
        for request in clocked.link.requests
    ]
    assert frames == [([], ["config_set"]), ([[GET], [SET]], ["durability"])]
    asked.cancel()


# ---- the breaker


def stop_answering(world: Clocked, requests: int = 3) -> Line:
    """Let the breaker open."""
    line = world.line(9)
    for _ in range(requests):
        line.submit(GET)
    world.pass_ms(2000)
    assert line.written == [TIMED_OUT] * requests
    return line


def test_requests_are_refused_at_once_after_several_in_vain(clocked: Clocked) -> None:
    line = stop_answering(clocked)
    line.submit(SET, GET)
    assert line.written[3:] == [2 * REFUSED]
    facts = clocked.client.facts()
    assert (facts["breaker_state"], facts["breaker_opened"], facts["breaker_refused"]) == (
        "open",
        1,
        2,
    )
    assert facts["pending_requests"] == 0


def test_a_probe_passes_and_its_answer_lets_all_others_pass(clocked: Clocked) -> None:
    line, other = stop_answering(clocked), clocked.line(2)
    clocked.pass_ms(500)
    probe = line.submit(GET)
    other.submit(GET)
    assert other.written == [REFUSED]
    assert clocked.client.facts()["breaker_state"] == "half-open"
    clocked.answer(probe)
    other.submit(GET)
    assert other.written == [REFUSED], "it is under way"
    assert clocked.client.facts()["breaker_state"] == "closed"


def test_a_probe_in_vain_opens_it_again(clocked: Clocked) -> None:
    line, other = stop_answering(clocked), clocked.line(2)
    clocked.pass_ms(500)
    line.submit(GET)
    clocked.pass_ms(2000)
    assert line.written[3:] == [TIMED_OUT]
    other.submit(GET)
    assert other.written == [REFUSED]
    assert clocked.client.facts()["breaker_opened"] == 1


def test_a_late_answer_closes_it(clocked: Clocked) -> None:
    line = clocked.line(1)
    slots = [line.submit(GET) for _ in range(3)]
    clocked.pass_ms(2000)
    clocked.answer(slots[0])
    assert clocked.client.facts()["breaker_state"] == "closed"


def test_what_was_not_sent_is_refused_when_it_opens(clocked: Clocked) -> None:
    clocked.link.is_full = True
    early, late = clocked.line(1), clocked.line(2)
    for _ in range(3):
        early.submit(GET)
    clocked.pass_ms(1000)
    late.submit(SET)
    clocked.pass_ms(1000)
    assert early.written == [TIMED_OUT] * 3
    assert late.written == [REFUSED]
    clocked.link.is_full = False
    clocked.link.on_drained()
    assert clocked.link.commands == []


def test_who_is_owed_an_earlier_reply_is_not_refused(clocked: Clocked) -> None:
    """It could not be told in front of that, and what it may send meanwhile has to be bounded."""
    waiting = clocked.line(1)
    clocked.pass_ms(0)
    for _ in range(3):
        clocked.line(2).submit(GET)
    clocked.pass_ms(1000)
    waiting.submit(GET)
    clocked.pass_ms(1000)
    accepted = [clocked.client.submit(Slot(waiting.line, [GET]), 0) for _ in range(60)]
    assert waiting.written == []
    assert accepted[0]
    assert not accepted[-1], "its credits bound it"


def test_an_absence_opens_it_and_a_restart_closes_it(clocked: Clocked) -> None:
    clocked.die()
    clocked.pass_ms(2000)
    first = clocked.line(1)
    first.submit(SET)
    assert first.written == []
    clocked.pass_ms(1)
    assert first.written == [REFUSED], "what was never sent is told so"
    clocked.pass_ms(60_000)
    first.submit(SET)
    assert first.written == [REFUSED, REFUSED]
    link = clocked.come_back()
    first.submit(SET)
    assert link.commands == [[SET]]


@pytest.mark.parametrize(
    ("commands", "flags", "answer"),
    [([GET, SET], RunFlags.ATOMIC, REFUSED_TRANSACTION), ([[b"UNWATCH"]], 0, REFUSED)],
)
def test_a_transaction_that_is_refused_watches_no_more(
    clocked: Clocked, commands: list[list[bytes]], flags: int, answer: bytes
) -> None:
    line = stop_answering(clocked)
    line.submit(*commands, flags=flags)
    assert line.written[3:] == [answer]
    clocked.loop.run()
    (query,) = [query for request in clocked.link.requests for query in request.queries]
    assert (query.method, query.parameters) == ("unwatch", {"sources": [9]})


# ---- who waits for others


def test_who_would_wait_is_not_refused(clocked: Clocked) -> None:
    stop_answering(clocked)
    waiter = clocked.line(1)
    waiter.block(b"blpop", b"q", b"0")
    assert waiter.written == []


@pytest.mark.parametrize(
    "words",
    [
        [b"blpop", b"q", b"1.5"],
        [b"brpoplpush", b"q", b"r", b"1.5"],
        [b"bzmpop", b"1.5", b"1", b"z", b"min"],
        [b"xread", b"count", b"1", b"BLOCK", b"1500", b"streams", b"s", b"$"],
    ],
)
def test_a_wait_ends_in_time_although_there_is_no_storage(
    clocked: Clocked, words: list[bytes]
) -> None:
    clocked.die()
    waiter = clocked.line(1)
    waiter.block(*words)
    clocked.pass_ms(1499)
    assert waiter.written == []
    clocked.pass_ms(1)
    assert waiter.written == [b"*-1\r\n"]
    assert clocked.come_back().commands == []


def test_a_short_wait_is_not_over_before_it_could_be_sent(clocked: Clocked) -> None:
    """A list may well have an element, and a busy event loop sends a little later."""
    clocked.die()
    waiter = clocked.line(1)
    waiter.block(b"blpop", b"q", b"0.001")
    clocked.pass_ms(999)
    assert waiter.written == []
    clocked.pass_ms(1)
    assert waiter.written == [b"*-1\r\n"]


@pytest.mark.parametrize("timeout", [b"0", b"-1", b"x", b""])
def test_other_timeouts_are_left_to_storage(clocked: Clocked, timeout: bytes) -> None:
    clocked.die()
    waiter = clocked.line(1)
    waiter.block(b"blpop", b"q", timeout)
    clocked.pass_ms(10**9)
    assert waiter.written == []
    assert len(clocked.come_back().commands) == 1


def test_who_is_known_to_wait_ends_in_time_when_storage_has_died(clocked: Clocked) -> None:
    waiter, pushed = clocked.line(1), clocked.line(2)
    known = waiter.block(b"blpop", b"q", b"1")
    served = pushed.block(b"blpop", b"other", b"1")
    words = [[b"blpop", b"q", b"1"], [b"blpop", b"other", b"1"]]
    events = [
        (0, encode_event(Waits(slot.run_id, each)))
        for slot, each in zip((known, served), words, strict=True)
    ]
    clocked.client.receive(events, [])
    clocked.line(3).submit([b"rpush", b"other", b"x"])
    clocked.die()
    assert (waiter.written, pushed.written) == ([], [UNKNOWN_OUTCOME])
    clocked.pass_ms(1000)
    assert waiter.written == [b"*-1\r\n"]


def test_a_reading_wait_goes_behind_the_reads_of_its_connection(clocked: Clocked) -> None:
    xread = [b"xread", b"block", b"0", b"streams", b"s", b"$"]
    line = clocked.line(1)
    line.submit(GET)
    line.block(*xread)
    clocked.die()
    link = clocked.come_back()
    clocked.pass_ms(100)
    assert link.commands == [[GET], [xread]]


# ---- connections


def test_a_reply_that_cannot_be_made_ends_its_connection_only(clocked: Clocked) -> None:
    failing, other = clocked.line(1), clocked.line(2)
    failures: list[bool] = []
    failing.line.on_failure = lambda: failures.append(True)

    def convert(encoded: bytes) -> bytes:
        raise LookupError

    bad = failing.submit(GET)
    bad.convert = convert
    good = other.submit(GET)
    clocked.client.receive([(bad.run_id, b"1"), (good.run_id, b"2")], [])
    assert failures == [True]
    assert (failing.written, other.written) == ([], [b"2"])


def test_a_connection_whose_reply_cannot_be_made_is_closed() -> None:
    bench = ConnectionBench()
    bench.connection.data_received(b"GET k\r\n")
    slot = bench.storage.slots[-1]

    def convert(encoded: bytes) -> bytes:
        raise LookupError

    slot.convert = convert
    slot.complete(b"$-1\r\n")
    assert bench.transport.closed
    assert bench.transport.written == []


def test_a_connection_that_ends_is_told_of_behind_its_last_runs(clocked: Clocked) -> None:
    """A WATCH among them would be remembered for ever."""
    clocked.link.is_full = True
    clocked.client.outbox.frame_commands = 1
    line = clocked.line(5)
    line.submit([b"watch", b"k"])
    line.submit([b"watch", b"l"])
    clocked.client.forget(5)
    clocked.link.is_full = False
    clocked.link.on_drained()
    assert [(len(each.runs), each.gone) for each in clocked.link.requests] == [
        (1, []),
        (1, [5]),
    ]


def test_connections_that_come_and_go_while_there_is_no_storage_leave_nothing(
    clocked: Clocked,
) -> None:
    clocked.die()
    for source in range(100):
        clocked.client.forget(source)
    assert not clocked.client.outbox


def test_one_that_ends_while_its_read_is_delayed_is_told_of_behind_it(clocked: Clocked) -> None:
    """What that read has tracked would be remembered for ever."""
    clocked.line(5).submit(GET)
    clocked.die()
    clocked.client.forget(5)
    link = clocked.come_back()
    clocked.pass_ms(100)
    assert [(len(each.runs), each.gone) for each in link.requests] == [(1, [5])]


def test_the_facts_tell_what_waits_and_how_long_it_took(clocked: Clocked) -> None:
    line = clocked.line(1)
    clocked.link.is_full = True
    slot = line.submit(GET, SET)
    line.block(b"blpop", b"q", b"0")
    facts = clocked.client.facts()
    assert (facts["queued_runs"], facts["sent_runs"], facts["free_requests"]) == (2, 0, 38)
    clocked.pass_ms(10)
    clocked.link.is_full = False
    clocked.link.on_drained()
    clocked.pass_ms(20)
    clocked.answer(slot)
    facts = clocked.client.facts()
    assert (facts["queue_us_max"], facts["storage_us_max"]) == (10_000, 20_000)
    assert (facts["queued_runs"], facts["sent_runs"], facts["blocked_runs"]) == (0, 0, 1)
    assert (facts["requests_sent"], facts["requests_answered"], facts["frames_sent"]) == (3, 2, 1)
    clocked.client.reset_statistics()
    facts = clocked.client.facts()
    assert facts["requests_sent"] == facts["queue_us_max"] == 0
    assert facts["capacity_requests"] == 40
