"""What CLIENT PAUSE holds back."""

from __future__ import annotations

import pytest

from kiwi_engine.commands.resolve import resolve
from kiwi_engine.server.network.pause_rules import Pause

WRITES = ("set k v", "blpop k 0", "publish c m", "pfcount h", "flushall", "xreadgroup group g c")
OTHERS = ("get k", "ping", "client unpause", "xread streams s 0", "multi", "exec", "subscribe c")


def holds(pause: Pause, now_ns: int, line: str, queued: tuple[str, ...] = ()) -> bool:
    words = line.encode().split()
    return pause.holds(now_ns, resolve(words), [text.encode().split() for text in queued])


def test_nothing_is_held_before_and_behind_it() -> None:
    pause = Pause()
    assert not holds(pause, 5, "set k v")
    pause.begin(5, 10, holds_all=True)
    assert [pause.is_on(now_ns) for now_ns in (5, 9, 10)] == [True, True, False]
    assert not holds(pause, 10, "set k v")
    pause.begin(20, 30, holds_all=False)
    assert not holds(pause, 20, "get k"), "what was before is over"
    pause.end()
    assert not pause.is_on(20)


@pytest.mark.parametrize("line", WRITES + OTHERS)
def test_what_is_held(line: str) -> None:
    pause = Pause()
    pause.begin(0, 10, holds_all=False)
    assert holds(pause, 1, line) == (line in WRITES)
    pause.begin(1, 2, holds_all=True)
    assert holds(pause, 9, line), "longer and wider only"
    pause.begin(1, 2, holds_all=False)
    assert holds(pause, 9, line)


def test_a_transaction_is_held_if_one_of_its_commands_is() -> None:
    pause = Pause()
    pause.begin(0, 10, holds_all=False)
    assert holds(pause, 1, "exec", ("get k", "set k v"))
    assert not holds(pause, 1, "exec", ("get k", "ping"))
    assert not holds(pause, 1, "discard", ("set k v",))
