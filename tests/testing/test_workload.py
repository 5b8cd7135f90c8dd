"""The crash tests' workload: replayable, and varied enough to mean something."""

from __future__ import annotations

import random
from collections import Counter

import hiredis

from kiwi_engine.testing.oracle import Stream
from tests.support.collections import MODELS
from tests.support.workload import BURST_BYTES_MAX, VALUE_THRESHOLD, Request, Workload


def requests(seed: int, bursts: int = 300) -> list[list[Request]]:
    """Bursts of one client, each acknowledged as a whole."""
    stream = Stream("c0")
    workload = Workload(random.Random(seed), stream)
    result = []
    for _ in range(bursts):
        burst = workload.burst()
        for request in burst:
            if request.write is not None:
                stream.acknowledge(request.write)
        result.append(burst)
    return result


def words(request: Request) -> list[bytes]:
    reader = hiredis.Reader()
    reader.feed(request.data)
    return list(reader.gets())


def commands(request: Request) -> list[list[bytes]]:
    """What a request makes the server do: a script three things, a transaction what it holds."""
    reader = hiredis.Reader()
    reader.feed(request.data)
    sent = [reader.gets() for _ in range(len(request.preludes) + 1)]
    if request.kind == "transaction":
        return sent[1:-1]
    if request.kind == "script":
        _, _, _, left, right, counter, value = sent[0]
        return [[b"SET", left, value], [b"SET", right, value], [b"INCR", counter]]
    return sent


def test_a_seed_replays_the_same_bytes() -> None:
    first, second, other = requests(1, 50), requests(1, 50), requests(2, 50)
    assert [[r.data for r in burst] for burst in first] == [
        [r.data for r in burst] for burst in second
    ]
    assert first[0][0].data != other[0][0].data


def test_every_kind_of_request_occurs() -> None:
    kinds = Counter(request.kind for burst in requests(3) for request in burst)
    wanted = {"set", "pair", "transaction", "script", "delete", "own-counter", "shared-counter"}
    wanted |= {"get", "echo"}
    wanted |= {f"collection {model.name}" for model in MODELS}
    assert kinds.keys() == wanted
    assert min(kinds.values()) > 10


def test_values_lie_on_both_sides_of_the_threshold_and_never_repeat() -> None:
    values = [
        words(request)[2] for burst in requests(4) for request in burst if request.kind == "set"
    ]
    assert len(set(values)) == len(values)
    sizes = {len(value) for value in values}
    assert {10, VALUE_THRESHOLD - 1, VALUE_THRESHOLD, VALUE_THRESHOLD + 1, 65_536} <= sizes


def test_a_burst_is_bounded() -> None:
    for burst in requests(5):
        without_last = sum(len(request.data) for request in burst[:-1])
        assert without_last <= BURST_BYTES_MAX


def test_what_is_expected_follows_from_what_was_sent() -> None:
    state: dict[bytes, bytes] = {}
    for request in (request for burst in requests(6) for request in burst):
        if request.kind.startswith("collection"):
            continue
        replies = [carried_out(state, request, words) for words in commands(request)]
        if request.kind == "transaction":
            assert request.expected == replies
        elif replies[-1] is not None:
            assert request.expected == replies[-1]


def carried_out(state: dict[bytes, bytes], request: Request, words: list[bytes]) -> object:
    """The reply of a command that changes `state`, or None if it is of no interest."""
    verb, *arguments = words
    if verb == b"GET":
        assert request.expected == state.get(arguments[0])
    elif verb == b"DEL":
        return int(state.pop(arguments[0], None) is not None)
    elif verb == b"INCR" and request.write is not None:
        number = int(state.get(arguments[0], b"0")) + 1
        state[arguments[0]] = b"%d" % number
        return number
    elif verb in (b"SET", b"MSET"):
        state.update(zip(arguments[::2], arguments[1::2], strict=True))
        return b"OK"
    return None
