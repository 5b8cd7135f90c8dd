"""What an answer, or its absence, means."""

from __future__ import annotations

from kiwi_engine.server.lifecycle.heartbeat import Heartbeat

INTERVAL = 1000


def test_answers_are_measured() -> None:
    heartbeat = Heartbeat()
    for asked, heard in ((100, 130), (1100, 1105)):
        heartbeat.asked(asked)
        heartbeat.heard(heard, INTERVAL)
    assert (heartbeat.last_ns, heartbeat.peak_ns) == (5, 30)
    assert (heartbeat.answered, heartbeat.late, heartbeat.heard_ns) == (2, 0, 1105)
    heartbeat.reset()
    assert (heartbeat.answered, heartbeat.peak_ns) == (0, 0)
    assert heartbeat.last_ns == 5


def test_before_the_first_answer_there_is_none() -> None:
    assert Heartbeat().heard_ns is None


def test_nobody_is_late_who_was_not_asked() -> None:
    heartbeat = Heartbeat()
    assert heartbeat.silence_ns(10**9) == 0
    assert heartbeat.verdict(10**9, INTERVAL, 1) == "well"
    heartbeat.asked(5)
    heartbeat.forget()
    assert heartbeat.verdict(10**9, INTERVAL, 1) == "well"


def test_a_missing_answer_is_late_and_in_the_end_a_hang() -> None:
    heartbeat = Heartbeat()
    heartbeat.asked(0)
    verdicts = [heartbeat.verdict(now, INTERVAL, 5000) for now in (999, 1000, 4999, 5000)]
    assert verdicts == ["well", "late", "late", "hung"]
    assert heartbeat.verdict(10**12, INTERVAL, 0) == "late", "0 is never"
    assert heartbeat.verdict(500, INTERVAL, 500) == "hung", "a hang may come before"


def test_a_repeated_question_does_not_begin_anew() -> None:
    heartbeat = Heartbeat()
    heartbeat.asked(0)
    heartbeat.asked(3000)
    assert heartbeat.silence_ns(3000) == 3000
    heartbeat.heard(3500, INTERVAL)
    assert (heartbeat.last_ns, heartbeat.late) == (3500, 1)
    heartbeat.asked(4000)
    assert heartbeat.silence_ns(4100) == 100


def test_time_in_which_nobody_listened_does_not_count() -> None:
    heartbeat = Heartbeat()
    heartbeat.excuse(50)
    assert heartbeat.silence_ns(100) == 0, "nothing was asked"
    heartbeat.asked(0)
    heartbeat.excuse(60_000)
    assert heartbeat.verdict(60_500, INTERVAL, 5000) == "well"
    assert heartbeat.verdict(61_000, INTERVAL, 5000) == "late"
