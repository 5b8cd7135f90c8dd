"""What is known of when keys were used."""

from __future__ import annotations

import random

import pytest

from kiwi_engine.keyspace import access_times
from kiwi_engine.keyspace.access_times import STEP_MS, AccessTimes

START = 1_700_000_000_000


@pytest.fixture
def accesses() -> AccessTimes:
    made = AccessTimes()
    made.advance(START)
    return made


def test_a_key_that_was_never_used_was_not_since_the_start(accesses: AccessTimes) -> None:
    accesses.advance(START + 500)
    assert accesses.last_ms(b"a") == START
    accesses.advance(START + 5_000_000)
    assert accesses.last_ms(b"a") == START


def test_a_use_is_known_to_the_second(accesses: AccessTimes) -> None:
    accesses.touch(b"a")
    accesses.advance(START + 700)
    accesses.touch(b"b")
    assert accesses.last_ms(b"b") == START
    accesses.advance(START + 40_000)
    accesses.touch(b"c")
    assert [accesses.last_ms(key) for key in (b"a", b"b", b"c")] == [START, START, START + 40_000]
    accesses.advance(START + 90_000)
    accesses.touch(b"a")
    assert accesses.last_ms(b"a") == START + 90_000


def test_a_clock_that_goes_back_is_followed(accesses: AccessTimes) -> None:
    accesses.advance(START - 5000)
    accesses.touch(b"a")
    assert accesses.last_ms(b"a") == START - 5000


def test_a_time_can_be_pretended(accesses: AccessTimes) -> None:
    accesses.touch(b"a")
    accesses.pretend(b"a", START - 100_000)
    assert accesses.last_ms(b"a") == START - 100_000
    accesses.touch(b"a")
    assert accesses.last_ms(b"a") == START
    accesses.pretend(b"b", 0)
    assert accesses.last_ms(b"b") == 0


def test_what_is_forgotten_was_used_before_all_that_is_known(
    accesses: AccessTimes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a model that remembers everything: the answer is right, or earlier uses exist."""
    monkeypatch.setattr(access_times, "GENERATION_KEYS", 20)
    monkeypatch.setattr(access_times, "RECENT_MAX", 5)
    choices = random.Random(11)
    used: dict[bytes, int] = {}
    now_ms, forgotten = START, 0
    for _ in range(3000):
        now_ms += choices.choice([0, 1, 300, STEP_MS, 5 * STEP_MS])
        accesses.advance(now_ms)
        for _ in range(choices.randrange(4)):
            key = b"%d" % choices.randrange(200)
            accesses.touch(key)
            used[key] = now_ms
        key = b"%d" % choices.randrange(200)
        answer, truth = accesses.last_ms(key), used.get(key, START)
        if not -STEP_MS < answer - truth <= 0:
            forgotten += 1
            assert truth < answer <= now_ms, "not used since"
    assert forgotten > 100, "the bound was never reached"
    assert len(accesses._younger) + len(accesses._older) <= 2 * (20 + 5 + 3)
