"""A link that is full, or cut off in the middle of a frame: at the client, and over a socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

import pytest
import uvloop

from kiwi_engine.channel.frame_buffer import FrameBuffer
from kiwi_engine.channel.frames import Request, Run, decode_request
from kiwi_engine.server.network.lost_runs import READ_TOO_LATE, UNKNOWN_OUTCOME
from kiwi_engine.server.network.storage_client.process_link import ProcessLink
from tests.server_units.test_blocked_slots import BLPOP, PUSH, Waiter, restart, waiting_bench
from tests.server_units.test_storage_client import GET, SECOND_NS, SET, Bench, run


class CutOffBench:
    """The link takes a first frame as a whole, and the beginning of a second one."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    async def fill(self, *commands: list[bytes]) -> None:
        link, send = self.bench.link, self.bench.link.send

        def send_and_stop(request: Request) -> None:
            send(request)
            link.is_full = link.is_cut_off = True

        link.send = send_and_stop  # type: ignore[method-assign]
        self.bench.submit(*commands)
        await self.bench.tick()


def test_a_full_link_is_not_sent_to() -> None:
    async def test(made: Bench) -> None:
        await CutOffBench(made).fill(SET)
        made.submit(GET)
        made.client.change_settings({"a": 1})
        await made.tick()
        assert made.link.commands == [[SET]]
        made.link.is_full = made.link.is_cut_off = False
        made.link.on_drained()
        assert made.link.commands == [[SET], [GET]]

    run(test)


def test_a_frame_that_was_cut_off_is_sent_again() -> None:
    """Writes, too: it never arrived as a whole, so it cannot have been executed."""

    async def test(made: Bench) -> None:
        made.submit(GET, SET)
        await made.tick()
        await CutOffBench(made).fill(SET, GET)
        made.submit(SET)
        link = await restart(made)
        assert b"".join(made.written) == READ_TOO_LATE + UNKNOWN_OUTCOME
        assert link.commands == [[SET, GET], [SET]]
        assert made.client.statistics.failures == 1

    run(test)


def test_a_read_in_front_of_a_write_that_never_left_is_asked_again() -> None:
    async def test(made: Bench) -> None:
        made.submit(GET)
        await made.tick()
        await CutOffBench(made).fill(SET)
        link = await restart(made)
        assert made.written == []
        assert link.commands == [[GET], [SET]]

    run(test)


def test_what_is_too_late_in_a_frame_that_was_cut_off_is_not_sent_again() -> None:
    async def test(made: Bench) -> None:
        await CutOffBench(made).fill(SET)
        made.client.expire(6 * SECOND_NS)
        assert made.written == [UNKNOWN_OUTCOME]
        assert (await restart(made)).commands == []

    run(test)


@pytest.mark.parametrize("goes_away", [False, True])
def test_who_waits_in_a_frame_that_was_cut_off_goes_on_waiting(goes_away: bool) -> None:
    async def test(made: Bench) -> None:
        made.submit(PUSH)
        await made.tick()
        waiter = Waiter(waiting_bench(made), 1, BLPOP)
        await CutOffBench(made).fill(GET)
        if goes_away:
            waiter.forget()
        link = await restart(made)
        assert waiter.written == [], "the push was done before it, or not at all"
        assert link.commands == ([[GET]] if goes_away else [[BLPOP], [GET]])

    run(test)


# ---- over a socket


def requests_in(data: bytes) -> list[int]:
    """The ids of runs in complete frames."""
    buffer = FrameBuffer()
    found = []
    while data:
        with buffer.writable() as view:
            count = min(len(view), len(data))
            view[:count] = data[:count]
        buffer.wrote(count)
        data = data[count:]
        for body in buffer.frames():
            found += [run.id for run in decode_request(bytes(body)).runs]
    return found


def receive_all(peer: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(BlockingIOError):
        while chunk := peer.recv(1 << 20):
            data += chunk
    return data


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_only_a_frame_that_was_cut_off_is_called_so(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def main() -> None:
        near, peer = socket.socketpair()
        near.setblocking(False)
        peer.setblocking(False)
        drained: list[bool] = []
        with peer:
            transport, link = await asyncio.get_running_loop().create_connection(
                lambda: ProcessLink(lambda replies, answers: None), sock=near
            )
            link.on_drained = lambda: drained.append(link.is_full)
            sent = 0
            while not link.is_full:
                sent += 1
                link.send(Request([Run(sent, 0, 0, False, [[b"set", bytes(50_000)]])], []))
            was_cut_off = link.is_cut_off
            assert was_cut_off
            data = receive_all(peer)
            assert requests_in(data) == list(range(1, sent)), "all but the last one are complete"
            while not drained:
                await asyncio.sleep(0)
                data += receive_all(peer)
            assert drained == [False]
            assert not link.is_cut_off
            assert requests_in(data + receive_all(peer)) == list(range(1, sent + 1))
            transport.abort()
            await link.closed

    with contextlib.closing(new_loop()) as loop:
        loop.run_until_complete(main())


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("is_full", [False, True])
def test_a_peer_that_dies(new_loop: Callable[[], asyncio.AbstractEventLoop], is_full: bool) -> None:
    async def main() -> None:
        near, peer = socket.socketpair()
        near.setblocking(False)
        _, link = await asyncio.get_running_loop().create_connection(
            lambda: ProcessLink(lambda replies, answers: None), sock=near
        )
        while is_full and not link.is_full:
            link.send(Request([Run(1, 0, 0, False, [[b"set", bytes(50_000)]])], []))
        peer.close()
        if not is_full:
            # Before the end of the channel was read.
            link.send(Request([Run(1, 0, 0, False, [[b"get", b"k"]])], []))
        await link.closed
        assert link.is_full, "it takes nothing any more"
        assert link.is_cut_off, "the last frame has not arrived"

    with contextlib.closing(new_loop()) as loop:
        loop.run_until_complete(main())


def test_an_end_between_frames_leaves_doubt() -> None:
    async def main() -> None:
        near, peer = socket.socketpair()
        near.setblocking(False)
        _, link = await asyncio.get_running_loop().create_connection(
            lambda: ProcessLink(lambda replies, answers: None), sock=near
        )
        link.send(Request([Run(1, 0, 0, False, [[b"get", b"k"]])], []))
        peer.close()
        await link.closed
        assert link.is_full
        assert not link.is_cut_off, "it may have been executed"

    asyncio.run(main())
