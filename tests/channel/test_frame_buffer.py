"""Frames come out whole and in order, however the bytes come in."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.channel.frame_buffer import BUFFER_BYTES, FrameBuffer
from kiwi_engine.channel.frames import LENGTH


def framed(bodies: list[bytes]) -> bytes:
    return b"".join(LENGTH.pack(len(body)) + body for body in bodies)


def received(buffer: FrameBuffer, data: bytes) -> list[bytes]:
    """What comes out after one receive that took as much as the view had room for."""
    bodies = []
    while data:
        with buffer.writable() as view:
            assert len(view) > 0
            taken = min(len(view), len(data))
            view[:taken] = data[:taken]
        buffer.wrote(taken)
        data = data[taken:]
        bodies += [bytes(body) for body in buffer.frames()]
    return bodies


@given(
    st.lists(st.binary(max_size=30) | st.just(b"x" * 500), max_size=12),
    st.lists(st.integers(1, 600), min_size=1, max_size=20),
)
def test_any_chunks(bodies: list[bytes], sizes: list[int]) -> None:
    data, buffer, found, at = framed(bodies), FrameBuffer(), [], 0
    turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        found += received(buffer, data[at : at + size])
        at, turn = at + size, turn + 1
    assert found == bodies


def test_frames_larger_than_the_buffer_and_small_ones_around_them() -> None:
    random = Random(5)
    bodies = [
        random.randbytes(size)
        for size in (3, BUFFER_BYTES - 4, 5, 3 * BUFFER_BYTES, 0, BUFFER_BYTES + 1, 7, 100_000)
    ] * 2
    data, buffer = framed(bodies), FrameBuffer()
    for chunk in (1 << 20, 65_536, 1999):
        found = []
        for at in range(0, len(data), chunk):
            found += received(buffer, data[at : at + chunk])
        assert found == bodies


def test_a_large_frame_leaves_no_large_buffer_behind() -> None:
    buffer = FrameBuffer()
    assert received(buffer, framed([bytes(5 << 20)])) == [bytes(5 << 20)]
    with buffer.writable() as view:
        assert len(view) == BUFFER_BYTES
    # Also where the next frame has begun already when the large one is complete.
    data = framed([bytes(5 << 20), b"next"])
    assert len(received(buffer, data[:-2])) == 1
    assert received(buffer, data[-2:]) == [b"next"]
    with buffer.writable() as view:
        assert len(view) == BUFFER_BYTES


def test_there_is_room_for_a_whole_frame_that_has_begun() -> None:
    buffer = FrameBuffer()
    received(buffer, LENGTH.pack(10 << 20))
    with buffer.writable() as view:
        assert len(view) >= 10 << 20


def test_a_caller_that_stops_after_one_frame_finds_the_others_later() -> None:
    buffer = FrameBuffer()
    with buffer.writable() as view:
        data = framed([b"one", b"two", b"three"])
        view[: len(data)] = data
    buffer.wrote(len(data))
    assert bytes(next(buffer.frames())) == b"one"
    assert [bytes(body) for body in buffer.frames()] == [b"two", b"three"]
