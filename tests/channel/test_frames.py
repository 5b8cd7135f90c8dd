"""The messages between the runtimes: golden bytes and round trips."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.channel.frames import (
    LENGTH,
    Query,
    ReceivedRun,
    Reply,
    Request,
    Run,
    RunFlags,
    decode_reply,
    decode_request,
    encode_frame,
)

RUNS = st.lists(
    st.builds(
        Run,
        id=st.integers(0, 2**63),
        shard=st.just(0),
        db=st.integers(0, 15),
        resp3=st.booleans(),
        commands=st.lists(st.lists(st.binary(max_size=20), max_size=4), max_size=4),
        source=st.integers(0, 2**63),
    ),
    max_size=4,
)


def test_golden_request() -> None:
    run = Run(7, 0, 1, True, [[b"get", b"k"]], 5, RunFlags.TRACKED, "me", 9)
    urgent = Query(9, "ping", {})
    frame = encode_frame(Request([run], [Query(8, "stats", {"a": 1})], [3], [urgent]))
    assert frame.hex(" ") == (
        "2f 00 00 00 "  # 47 bytes
        "94 91 99 07 00 01 c3 91 92 c4 03 67 65 74 c4 01 6b "  # run 7, shard 0, db 1, RESP3, get k
        "05 04 a2 6d 65 09 "  # of connection 5, tracked, for the user "me", arrived at 9 ns
        "91 93 08 a5 73 74 61 74 73 81 a1 61 01 "  # query 8, stats, a=1
        "91 03 "  # connection 3 has ended
        "91 93 09 a4 70 69 6e 67 80"  # query 9, ping, urgent
    )


def test_golden_reply() -> None:
    frame = encode_frame(Reply([(7, b"+OK\r\n")], [(8, "", None)]))
    assert frame.hex(" ") == "10 00 00 00 92 91 92 07 c4 05 2b 4f 4b 0d 0a 91 93 08 a0 c0"


@given(RUNS)
def test_requests_round_trip(runs: list[Run]) -> None:
    request = Request(runs, [])
    frame = encode_frame(request)
    assert LENGTH.unpack_from(frame)[0] == len(frame) - LENGTH.size
    received = decode_request(frame[LENGTH.size :])
    assert received.queries == []

    def fields(run: Run | ReceivedRun) -> tuple[object, ...]:
        return run.id, run.shard, run.db, run.resp3, run.commands, run.source

    assert list(map(fields, received.runs)) == list(map(fields, runs))


@given(st.lists(st.tuples(st.integers(0, 2**63), st.binary(max_size=50)), max_size=5))
def test_replies_round_trip(replies: list[tuple[int, bytes]]) -> None:
    reply = Reply(replies, [(1, "ERR no", None)])
    assert decode_reply(encode_frame(reply)[LENGTH.size :]) == reply


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x91\x90", b"\x92\x90\x91\x01"])
def test_bytes_of_another_kind_are_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_request(body)
