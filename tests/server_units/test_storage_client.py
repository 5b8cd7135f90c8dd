"""The network runtime's end of the channel, over a link that the test answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from kiwi_engine.channel.frames import Request
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ChannelClosedError, KiwiError, OverloadedError
from kiwi_engine.server.network.lost_runs import READ_TOO_LATE, UNKNOWN_OUTCOME
from kiwi_engine.server.network.slots import ReplyLine, Slot
from kiwi_engine.server.network.storage_client import StorageClient, questions
from kiwi_engine.server.network.storage_client.answers import TIMED_OUT

SETTINGS = msgspec.structs.replace(
    Settings(),
    channel_buffer_size=10,
    channel_buffer_bytes=1000,
    request_timeout=5000,
    retry_backoff=0,
)
SECOND_NS = 1_000_000_000
GET, SET = [b"get", b"k"], [b"set", b"k", b"v"]


class FakeLink:
    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.is_full = False
        self.is_cut_off = False
        self.on_drained: Callable[[], None] = lambda: None

    def send(self, request: Request) -> None:
        self.requests.append(request)

    @property
    def run_ids(self) -> list[int]:
        return [run.id for request in self.requests for run in request.runs]

    @property
    def commands(self) -> list[list[list[bytes]]]:
        return [run.commands for request in self.requests for run in request.runs]


class Bench:
    """A client, a link and one connection's line of replies."""

    def __init__(self, client: StorageClient) -> None:
        self.client = client
        self.link = FakeLink()
        self.written: list[bytes] = []
        self.line = ReplyLine(self.written.append)
        self.reliefs = 0

    def submit(self, *commands: list[bytes], size: int = 10, now_ns: int = 0) -> bool:
        slot = Slot(self.line, list(commands), size=size)
        self.line.append(slot)
        return self.client.submit(slot, now_ns)

    async def tick(self) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def answer(self, run_id: int, blob: bytes) -> None:
        self.client.receive([(run_id, blob)], [])

    def relieved(self) -> None:
        self.reliefs += 1


@asynccontextmanager
async def bench(*, connected: bool = True) -> AsyncIterator[Bench]:
    made = Bench(StorageClient(SETTINGS, asyncio.get_running_loop()))
    if connected:
        made.client.connect(made.link)
    yield made


def run(test: Callable[[Bench], Awaitable[None]], *, connected: bool = True) -> None:
    async def main() -> None:
        async with bench(connected=connected) as made:
            await test(made)

    asyncio.run(main())


def test_settings_change_between_the_commands_before_and_behind() -> None:
    """CONFIG SET in the middle of a pipeline, or right before the next command, counts at once."""

    async def test(made: Bench) -> None:
        made.submit(SET)
        made.client.change_settings({"hash_max_listpack_entries": 1})
        made.submit(GET)
        await made.tick()
        frames = [
            ([run.commands for run in request.runs], [query.method for query in request.queries])
            for request in made.link.requests
        ]
        assert frames == [([[SET]], ["config_set"]), ([[GET]], [])]

    run(test)


def test_a_storage_runtime_that_is_down_learns_settings_when_it_starts() -> None:
    async def test(made: Bench) -> None:
        made.client.change_settings({"hash_max_listpack_entries": 1})
        made.client.connect(made.link)
        await made.tick()
        assert made.link.requests == []

    run(test, connected=False)


def test_settings_that_storage_refuses_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def test(made: Bench) -> None:
        made.client.change_settings({"foo": 1})
        await made.tick()
        (query,) = made.link.requests[0].queries
        made.client.receive([], [(query.id, "no such setting", None)])
        made.client.change_settings({"foo": 2})
        made.client.disconnect()
        await made.tick()

    run(test)
    assert "no such setting" in caplog.text
    assert "the storage runtime stopped" in caplog.text


def test_one_frame_carries_what_one_tick_submitted() -> None:
    async def test(made: Bench) -> None:
        made.submit(GET)
        made.submit(SET, GET)
        assert made.link.requests == []
        await made.tick()
        assert len(made.link.requests) == 1
        assert made.link.commands == [[GET], [SET, GET]]
        first, second = made.link.run_ids
        made.answer(second, b"2")
        assert made.written == []
        made.answer(first, b"1")
        assert made.written == [b"1", b"2"]
        facts = made.client.facts()
        assert (facts["pending_requests"], facts["pending_bytes"]) == (0, 0)
        assert (facts["requests_answered"], facts["requests_peak"], facts["bytes_peak"]) == (
            3,
            3,
            20,
        )

    run(test)


@pytest.mark.parametrize(("count", "size"), [(10, 1), (2, 500)])
def test_backpressure_between_the_water_marks(count: int, size: int) -> None:
    async def test(made: Bench) -> None:
        accepted = [made.submit(GET, size=size) for _ in range(count)]
        assert accepted == [True] * (count - 1) + [False]
        made.client.when_relieved(made.line, made.relieved)
        await made.tick()
        for number, run_id in enumerate(made.link.run_ids, start=1):
            assert made.reliefs == 0 or number > count // 2
            made.answer(run_id, b"+")
        assert made.reliefs == 1
        assert made.client.statistics.backpressure_events == 1
        assert made.submit(GET, size=1)

    run(test)


def test_relief_comes_at_half_of_the_bound() -> None:
    async def test(made: Bench) -> None:
        for _ in range(12):
            made.submit(GET)
        made.client.when_relieved(made.line, made.relieved)
        await made.tick()
        ids = made.link.run_ids
        for run_id in ids[:6]:
            made.answer(run_id, b"+")
        assert made.reliefs == 0
        made.answer(ids[6], b"+")
        assert made.reliefs == 1

    run(test)


def test_a_reader_goes_on_while_the_writes_of_others_fill_the_channel() -> None:
    async def test(made: Bench) -> None:
        reader = Bench(made.client)
        for _ in range(12):
            made.submit(SET)
        made.client.when_relieved(made.line, made.relieved)
        await made.tick()
        for round_number in range(1, 4):
            assert not reader.submit(GET)
            made.client.when_relieved(reader.line, reader.relieved)
            await made.tick()
            made.answer(made.link.run_ids[-1], b"+")
            assert reader.reliefs == round_number, "its one run is answered"
        assert made.reliefs == 0
        assert made.client.facts()["connections_held_back"] == 1

    run(test)


def test_what_waits_for_a_storage_runtime_is_sent_when_there_is_one() -> None:
    async def test(made: Bench) -> None:
        made.submit(SET)
        await made.tick()
        assert made.link.requests == []
        assert not made.client.is_connected
        made.client.connect(made.link)
        await made.tick()
        assert made.link.commands == [[SET]]

    run(test, connected=False)


def test_a_dead_storage_runtime_reads_again_and_writes_are_unknown() -> None:
    async def test(made: Bench) -> None:
        made.submit(GET, SET, GET)
        made.submit(SET)
        made.submit(GET)
        await made.tick()
        made.submit(SET)  # Not sent yet: it cannot have been made.
        made.client.disconnect()
        # A read in front of a write that may have been made would show it.
        late, unknown = READ_TOO_LATE, UNKNOWN_OUTCOME
        assert b"".join(made.written) == late + unknown + late + unknown
        made.written.clear()
        successor = FakeLink()
        made.client.connect(successor)
        await made.tick()
        assert successor.commands == [[GET], [SET]]
        assert set(successor.run_ids).isdisjoint(made.link.run_ids)
        for old in made.link.run_ids:
            made.answer(old, b"late")
        for number, run_id in enumerate(successor.run_ids):
            made.answer(run_id, b"%d" % number)
        assert made.written == [b"0", b"1"]
        facts = made.client.facts()
        assert (facts["pending_requests"], facts["pending_bytes"]) == (0, 0)
        assert facts["failures"] == 3
        assert facts["requests_answered"] == 2, "each answer of storage counts once"

    run(test)


def test_a_death_relieves_connections_that_waited_for_writes() -> None:
    async def test(made: Bench) -> None:
        for _ in range(12):
            made.submit(SET)
        made.client.when_relieved(made.line, made.relieved)
        await made.tick()
        made.client.disconnect()
        assert made.reliefs == 1
        assert made.written == [UNKNOWN_OUTCOME] * 12

    run(test)


def test_deadlines_of_sent_and_unsent_requests() -> None:
    async def test(made: Bench) -> None:
        made.submit(SET, GET)
        await made.tick()
        made.submit(SET, now_ns=1)
        made.submit(GET, now_ns=SECOND_NS)
        made.client.expire(5 * SECOND_NS - 1)
        assert made.written == []
        made.client.expire(5 * SECOND_NS + 1)
        assert made.written == [UNKNOWN_OUTCOME + TIMED_OUT, TIMED_OUT]
        assert made.client.statistics.timeouts == 3
        await made.tick()
        assert made.link.commands == [[SET, GET], [GET]], "what timed out is not sent any more"
        made.answer(made.link.run_ids[0], b"too late")
        made.answer(made.link.run_ids[1], b"$-1\r\n")
        assert made.written[2:] == [b"$-1\r\n"]
        assert made.client.unanswered == 0

    run(test)


def test_a_timeout_relieves() -> None:
    async def test(made: Bench) -> None:
        for _ in range(11):
            made.submit(GET)
        made.client.when_relieved(made.line, made.relieved)
        made.client.expire(6 * SECOND_NS)
        assert made.reliefs == 1

    run(test, connected=False)


def test_queries_are_answered_refused_or_end_with_the_runtime() -> None:
    async def test(made: Bench) -> None:
        async def ask() -> object:
            return await made.client.query("stats", {"a": 1})

        tasks = [asyncio.create_task(ask()) for _ in range(3)]
        await made.tick()
        (request,) = made.link.requests
        assert [(query.method, query.parameters) for query in request.queries] == [
            ("stats", {"a": 1})
        ] * 3
        ids = [query.id for query in request.queries]
        made.client.receive([], [(ids[0], "", {"fact": 7}), (ids[1], "no such thing", None)])
        assert await tasks[0] == {"fact": 7}
        with pytest.raises(KiwiError, match="no such thing"):
            await tasks[1]
        made.client.disconnect()
        with pytest.raises(ChannelClosedError):
            await tasks[2]
        with pytest.raises(ChannelClosedError, match="is not running"):
            await made.client.query("stats", {})

    run(test)


def test_a_query_that_was_not_sent_in_time_is_not_sent_to_the_next_runtime() -> None:
    """Its asker has been told that it failed; a backup would be made after all."""

    async def test(made: Bench) -> None:
        async def ask() -> object:
            return await made.client.query("backup_start", {})

        task = asyncio.create_task(ask())
        await asyncio.sleep(0)
        made.client.disconnect()
        with pytest.raises(ChannelClosedError):
            await task
        made.client.connect(made.link)
        await made.tick()
        assert made.link.requests == []

    run(test)


def test_a_query_that_nobody_answers_ends() -> None:
    async def test(made: Bench) -> None:
        made.client.configure(msgspec.structs.replace(SETTINGS, request_timeout=1))
        with pytest.raises(KiwiError, match="did not answer in time"):
            await made.client.query("stats", {})
        late = made.link.requests[0].queries[0].id
        made.client.receive([], [(late, "", {})])

    run(test)


def test_a_query_that_was_given_up_is_not_sent() -> None:
    """Whoever asked was told that there is no answer; what it asked for must not happen later."""

    async def test(made: Bench) -> None:
        made.client.configure(msgspec.structs.replace(SETTINGS, request_timeout=1))
        made.link.is_full = True
        with pytest.raises(KiwiError, match="did not answer in time"):
            await made.client.query("backup_start", {})
        made.link.is_full = False
        made.link.on_drained()
        assert made.link.requests == []

    run(test)


def test_questions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold no credits, and a client may ask for INFO without end."""
    monkeypatch.setattr(questions, "WAITING_MAX", 2)

    async def test(made: Bench) -> None:
        asked = [asyncio.create_task(made.client.query("stats", {})) for _ in range(3)]
        await made.tick()
        with pytest.raises(OverloadedError, match="too many questions"):
            await asked[2]
        made.client.receive([], [(query.id, "", 7) for query in made.link.requests[0].queries])
        assert await asked[0] == await asked[1] == 7

    run(test)


def test_health_comes_first_and_is_asked_while_the_breaker_is_open() -> None:
    async def test(made: Bench) -> None:
        made.client.breaker.configure(1, SECOND_NS, SECOND_NS)
        made.submit(GET)
        made.client.expire(6 * SECOND_NS)
        with pytest.raises(KiwiError, match="does not answer: 1 requests in a row"):
            await made.client.query("stats", {})
        ping = asyncio.create_task(made.client.query("ping", {}))
        await made.tick()
        (urgent,) = made.link.requests[-1].urgent
        made.client.receive([], [(urgent.id, "", True)])
        assert await ping is True
        assert not made.client.breaker.is_closed, "the disk may hang all the same"

    run(test)
