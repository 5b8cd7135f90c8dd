"""scripts/differential.py: what it says, and its exit codes."""

from __future__ import annotations

import pytest

from scripts import differential
from tests.differential.families import FAMILIES
from tests.differential.harness import Commands, Server
from tests.differential.runs import Arena, Form

COUNTERS = next(family for family in FAMILIES if family.name == "counters")


class Echo:
    """Answers every command with its name; the one that is `wrong` with something else."""

    def __init__(self, wrong: bytes = b"") -> None:
        self._wrong = wrong

    def run_all(self, sequences: list[Commands], resp3: bool) -> list[list[bytes]]:
        return [[self._answer(words[0].lower()) for words in commands] for commands in sequences]

    def _answer(self, name: bytes) -> bytes:
        return b"+wrong\r\n" if name == self._wrong else b"+%b\r\n" % name


def arena(ours: Echo) -> Arena:
    servers: list[Server] = [Echo(), ours]  # type: ignore[list-item]
    return Arena({"redis": servers[0]}, (Form(servers[1], keeps_order=True),))


def test_rounds_that_agree(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = differential.parse(["--family", "counters", "--sequences", "30", "--seed", "5"])
    assert differential.run(arena(Echo()), [COUNTERS], arguments) == 0
    output = capsys.readouterr().out
    assert "30 sequences agree: --family counters --seed 5 --sequences 30" in output
    assert "30 sequences of each of 1 families, no difference" in output


def test_a_difference_ends_the_run_and_can_be_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = differential.parse(["--family", "counters", "--sequences", "30", "--seed", "5"])
    assert differential.run(arena(Echo(b"incr")), [COUNTERS], arguments) == 1
    output = capsys.readouterr().out
    assert "expected b'+incr\\r\\n'" in output
    assert "replay: scripts/differential.py --family counters --seed 5 --sequences 30" in output


def test_time_limits_a_run_too(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = differential.parse(["--family", "counters", "--minutes", "0.000001"])
    assert differential.run(arena(Echo()), [COUNTERS], arguments) == 0
    assert "no difference" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--family", "nothing"], ["--sequences", "0"], ["--minutes=-1"]])
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        differential.parse(words)
    assert error.value.code == 2
