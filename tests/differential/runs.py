"""Hypothesis draws sequences of a family and both servers answer them (shell).

An example is a batch of sequences, because one pipeline for many costs the reference much less than
one for each. It is drawn as one number, from which a random generator and the grammar make it.
Drawn word by word, it would take ten times as long; drawn as a number for each command, most
sequences would be others over again, because Hypothesis likes to put an example together from parts
of those before. So a sequence that fails is shortened here, by leaving commands out.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.differential.compare import RANDOM_PICKS
from tests.differential.families.family import Family
from tests.differential.grammar import Words
from tests.differential.harness import Difference, Pair, Server

SEQUENCES_AT_ONCE: Final = 10
OPENING_COMMANDS: Final = 3
OPENED_SHARE: Final = 0.75
LENGTHS: Final = (2, 18)


class DifferenceFoundError(AssertionError):
    """`difference` is of a sequence from which no command can be left out."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(str(difference))
        self.difference = difference


@dataclass(frozen=True)
class Form:
    """Our side with some limits; `keeps_order` if small hashes and sets are stored as a whole."""

    server: Server
    keeps_order: bool


@dataclass(frozen=True)
class Arena:
    """Who is compared: the references that are installed, by name, and each of our forms."""

    references: Mapping[str, Server]
    forms: tuple[Form, ...]


def check_family(family: Family, arena: Arena, count: int, seed: int | None = None) -> int:
    """Compare at least `count` sequences in RESP2 and in RESP3; how many it were.

    Without a seed they are the same ones each time. Raises `DifferenceFoundError`.
    """
    references = [arena.references[name] for name in family.references if name in arena.references]
    checked = 0

    @settings(
        max_examples=-(-count // SEQUENCES_AT_ONCE),
        derandomize=seed is None,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(number=st.integers(0, 2**64 - 1))
    def check(number: int) -> None:
        nonlocal checked
        sequences = batch(family, number)
        for reference, resp3 in itertools.product(references, (False, True)):
            expected = reference.run_all(sequences, resp3)
            for form in arena.forms:
                pair = Pair(reference, form.server, not form.keeps_order, any_string=True)
                if difference := pair.difference(sequences, resp3, expected):
                    raise DifferenceFoundError(shortened(pair, difference))
        checked += len(sequences)

    if references:
        (check if seed is None else hypothesis.seed(seed)(check))()
    return checked


def batch(family: Family, number: int) -> list[list[Words]]:
    """Sequences of the family; the same ones for the same number."""
    rng = Random(number)
    return [sequence(family, rng) for _ in range(SEQUENCES_AT_ONCE)]


def sequence(family: Family, rng: Random) -> list[Words]:
    """Mostly something to work with; then anything; then a look at what is left."""
    count = rng.randint(*LENGTHS)
    opened = OPENING_COMMANDS if rng.random() < OPENED_SHARE else 0
    lines = [family.opening.draw(rng) for _ in range(opened)]
    lines += [family.grammar.draw(rng) for _ in range(count)]
    return [*(words for line in lines for words in line), *family.closing]


def shortened(pair: Pair, difference: Difference) -> Difference:
    """The same or another difference, of a sequence from which nothing can be left out."""
    found, at = difference, 0
    while at < found.at:
        if found.sequence[at + 1][0].lower() in RANDOM_PICKS:
            at += 1  # what is picked from is told by the command in front
            continue
        commands = [words for place, words in enumerate(found.sequence) if place != at]
        shorter = pair.difference([commands[: found.at]], found.resp3)
        if shorter is None:
            at += 1
        else:
            found = shorter
    return found
