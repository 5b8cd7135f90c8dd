"""What is counted of handshakes, and that each is counted once."""

from __future__ import annotations

from kiwi_engine.server.network.transport.handshakes import Handshakes


class Fake:
    def abort(self) -> None: ...


def test_each_has_one_outcome() -> None:
    handshakes = Handshakes(lambda: True, lambda: 250)
    left_behind: list[int] = []
    handshakes.on_failure = lambda: left_behind.append(len(handshakes))
    assert handshakes.timeout_s == 0.25
    done, failed, slow, open_ = Fake(), Fake(), Fake(), Fake()
    assert all(handshakes.begin(each) for each in (done, failed, slow, open_))
    assert len(handshakes) == 4
    handshakes.finish(done)
    assert not handshakes.fail(done), "its connection ends much later"
    assert handshakes.fail(failed)
    assert not handshakes.fail(failed)
    assert handshakes.fail(slow, timed_out=True)
    assert list(handshakes) == [open_]
    assert left_behind == [2, 1], "told of each that failed, when its place is free"
    assert handshakes.facts() == {
        "tls_handshakes": 1,
        "tls_handshakes_in_progress": 1,
        "tls_handshakes_failed": 1,
        "tls_handshakes_timed_out": 1,
    }


def test_without_room_none_begins() -> None:
    handshakes = Handshakes(lambda: False, lambda: 1)
    refused = Fake()
    assert not handshakes.begin(refused)
    assert not handshakes.fail(refused)
    assert len(handshakes) == 0
