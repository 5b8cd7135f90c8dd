"""The evidence that docs/durability.md names is there to be run."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "durability.md").read_text()
COMMANDS = re.findall(r"^\| [1-6, ]+ \|.*\| `(.+)` \|$", PAGE, re.MULTILINE)


def test_each_point_of_the_promise_has_evidence() -> None:
    points = re.findall(r"^(\d)\. \*\*", PAGE, re.MULTILINE)
    shown = re.findall(r"^\| ([1-6, ]+) \|", PAGE, re.MULTILINE)
    assert points == list("123456")
    assert {point for row in shown for point in row.split(", ")} == set(points)
    assert len(COMMANDS) == len(shown), "each row has a command"


def test_each_command_of_the_evidence_can_be_run() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for command in COMMANDS:
        program, *words = command.split()
        assert program in ("pytest", "make")
        if program == "make":
            assert words[0] in targets, command
            continue
        paths = [word for word in words if word.startswith("tests/")]
        assert paths, command
        for path in paths:
            assert (ROOT / path).is_file(), command
        if "-k" in words:
            wanted = words[words.index("-k") + 1]
            assert re.search(rf"def test_\w*{wanted}", (ROOT / paths[0]).read_text()), command
