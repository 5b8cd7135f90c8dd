"""How long the storage runtime heard nothing."""

from __future__ import annotations

from kiwi_engine.server.storage.network_silence import NetworkSilence

MS = 1_000_000


def listen(silence: NetworkSilence, begin_ms: int, end_ms: int) -> None:
    """Nothing comes, as seen every 10 ms."""
    for now_ms in range(begin_ms, end_ms, 10):
        silence.idle(now_ms * MS)


def test_a_silence_is_measured_from_its_first_moment() -> None:
    silence = NetworkSilence()
    listen(silence, 1000, 3000)
    assert silence.heard(3000 * MS) == 2000 * MS
    listen(silence, 3500, 3600)
    assert silence.heard(3600 * MS) == 100 * MS
    assert silence.peak_ns == 2000 * MS


def test_without_a_break_there_is_no_silence() -> None:
    silence = NetworkSilence()
    assert silence.since_ns == 0
    assert silence.heard(5000 * MS) == 0
    listen(silence, 6000, 6010)
    silence.heard(6010 * MS)
    assert silence.since_ns == 0


def test_a_pause_of_its_own_is_no_silence_of_the_other() -> None:
    silence = NetworkSilence()
    listen(silence, 1000, 1100)
    assert silence.heard(9000 * MS) == 0, "it was stopped itself"
    listen(silence, 10_000, 10_100)
    listen(silence, 20_000, 20_050)
    assert silence.heard(20_050 * MS) == 50 * MS
