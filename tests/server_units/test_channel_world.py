"""Every request is answered once and truthfully, whatever becomes of storage and its link."""

from __future__ import annotations

import pytest

from tests.server_units.channel_world import World, judge

SEEDS = 150
STEPS = 250


@pytest.mark.parametrize("block", range(3))
def test_any_history(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    told: set[bytes] = set()
    for seed in range(block * SEEDS // 3, (block + 1) * SEEDS // 3):
        world = World(seed, monkeypatch)
        for _ in range(STEPS):
            world.step()
        world.settle()
        assert world.problems() == [], f"seed {seed}"
        facts = world.client.facts()
        left = {name: facts[name] for name in ("pending_requests", "pending_bytes", "queued_runs")}
        assert set(left.values()) == {0}, f"seed {seed}: {left}"
        assert facts["breaker_state"] == "closed", f"seed {seed}"
        told |= {reply.split(b" ")[0][:4] for each in world.written for reply in each}
        world.loop.close()
    assert {b"-UNK", b"-TIM", b"-LOA", b"-ERR"} <= told, "all kinds of answers are met"


def test_the_judge_finds_what_is_wrong() -> None:
    unknown = b"-UNKNOWN outcome"
    assert judge([1, None, 2], [b"+OK", b":1", unknown], [1, 2]) == []
    assert judge([1, None], [b"+OK"], [1]) == ["2 commands have 1 replies"]
    assert judge([1], [b"+OK"], []) == ["write 1 was acknowledged and not made"]
    assert judge([1], [b"-TIMEOUT late"], [1]) == ["write 1 was made: b'-TIMEOUT late'"]
    assert judge([1, 2], [unknown, unknown], [2, 1])[0].startswith("writes were made twice")
    assert judge([None, 1], [b":1", b"+OK"], [1]) == ["read 0 shows 1, which is behind it"]
    assert judge([1, None], [b"+OK", b":0"], [1])[0].startswith("read 1 shows 0, but 1")
