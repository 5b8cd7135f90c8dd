"""Scripts against a real server: values, error texts and where they say that they happened.

`scripts/*.txt` holds a script a line; in those that need several lines, which begin with `#!` or
`\\n`, `\\n` is a line end. Each is run with the same keys and arguments on the same few keys. Redis
7.0 is asked; what 7.2 does otherwise is in tests/scripting.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.differential.harness import Commands, Pair
from tests.differential.in_process import InProcessServer

DIRECTORY: Final = Path(__file__).parent / "scripts"
OPENING: Final = [
    [b"FLUSHALL"],
    [b"SET", b"k1", b"one"],
    [b"SET", b"k2", b"two"],
    [b"SET", b"n", b"7"],
    [b"RPUSH", b"list", b"x", b"y", b"z"],
    [b"HSET", b"hash", b"f", b"v"],
    [b"SADD", b"one", b"member"],
    [b"ZADD", b"zset", b"1.5", b"a", b"2", b"b"],
]
ARGUMENTS: Final = [b"3", b"k1", b"k2", b"k3", b"first", b"2", b"3.5", b""]
CLOSING: Final = [[b"GET", b"k1"], [b"GET", b"written"], [b"DBSIZE"]]
_SCRIPT_AT: Final = len(OPENING)


def _scripts() -> list[bytes]:
    texts = [path.read_bytes() for path in sorted(DIRECTORY.glob("*.txt"))]
    lines = [line for text in texts for line in text.split(b"\n") if line]
    return [
        line.replace(b"\\n", b"\n") if line.startswith((b"#!", b"\\n")) else line for line in lines
    ]


@pytest.mark.parametrize(("name", "resp3"), [("EVAL", False), ("EVAL", True), ("EVAL_RO", False)])
def test_scripts_do_the_same(redis_pair: Pair, name: str, resp3: bool) -> None:
    # All in one go: a sequence for each would make an interpreter for each.
    sequences: list[Commands] = [
        [*OPENING, [name.encode(), script, *ARGUMENTS], *CLOSING] for script in _scripts()
    ]
    commands = [words for sequence in sequences for words in sequence]
    (expected,) = redis_pair.reference.run_all([commands], resp3)
    (actual,) = InProcessServer().run_all([commands], resp3)
    size = _SCRIPT_AT + 1 + len(CLOSING)
    differences = [
        f"{commands[at - at % size + _SCRIPT_AT][1]!r}: expected {wanted!r}, got {got!r}"
        for at, (wanted, got) in enumerate(zip(expected, actual, strict=True))
        if wanted != got
    ]
    assert not differences, "\n".join(differences)
    assert len(sequences) > 500
