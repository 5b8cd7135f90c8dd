"""The recovery table: every row, and that the rows cover everything."""

from __future__ import annotations

import itertools

import pytest

from kiwi_engine.engine import recovery
from kiwi_engine.engine.recovery import Case, LogEnding, RecoveryFacts, classify


@pytest.mark.parametrize(
    ("facts", "letter", "next_lsn"),
    [
        (RecoveryFacts("clean", 0, 0, 0), "A", 1),
        (RecoveryFacts("clean", 1, 5, 0), "B", 6),
        (RecoveryFacts("clean", 1, 5, 5), "B", 6),
        (RecoveryFacts("clean", 3, 9, 2), "B", 10),
        (RecoveryFacts("clean", 3, 9, 5), "B", 10),
        (RecoveryFacts("clean", 0, 0, 7), "C", 8),
        (RecoveryFacts("torn", 0, 0, 0), "D", 1),
        (RecoveryFacts("torn", 0, 0, 7), "D", 8),
        (RecoveryFacts("torn", 1, 5, 0), "D", 6),
        (RecoveryFacts("torn", 1, 5, 9), "D", 10),
        (RecoveryFacts("clean", 1, 5, 9), "E", 10),
        (RecoveryFacts("clean", 2, 5, 0), "F", 0),
        (RecoveryFacts("torn", 9, 9, 7), "F", 0),
        (RecoveryFacts("corruption", 0, 0, 0), "G", 0),
        (RecoveryFacts("corruption", 1, 5, 5), "G", 0),
        (RecoveryFacts("corruption", 9, 9, 7), "G", 0),
    ],
)
def test_each_row(facts: RecoveryFacts, letter: str, next_lsn: int) -> None:
    case = classify(facts)
    assert (case.letter, case.next_lsn) == (letter, next_lsn)
    assert case.refuses == (letter in "FG")
    assert case.repairs_tail == (letter == "D")


def all_cases() -> list[tuple[RecoveryFacts, Case]]:
    endings: tuple[LogEnding, ...] = ("clean", "torn", "corruption")
    spans = [(0, 0), *((a, b) for a in range(1, 5) for b in range(a, 5))]
    found = []
    for ending, (first, last), applied in itertools.product(endings, spans, range(6)):
        facts = RecoveryFacts(ending, first, last, applied)
        found.append((facts, classify(facts)))
    return found


def test_an_accepted_case_never_uses_an_lsn_twice_and_never_skips_a_record() -> None:
    for facts, case in all_cases():
        if not case.refuses:
            assert case.next_lsn == max(facts.last_lsn, facts.applied_lsn) + 1
            assert not facts.first_lsn or facts.first_lsn <= facts.applied_lsn + 1


def test_missing_records_and_damage_are_refused_and_nothing_else() -> None:
    for facts, case in all_cases():
        is_missing = facts.first_lsn > facts.applied_lsn + 1
        assert case.refuses == (is_missing or facts.ending == "corruption")


def test_missing_records_are_named() -> None:
    meaning = classify(RecoveryFacts("clean", 9, 12, 5)).meaning
    assert meaning == ("records 6 to 8 are missing: the log begins at 9, the index ends at 5")


def test_the_table_in_the_docstring_names_every_letter() -> None:
    assert recovery.__doc__ is not None
    rows = [line.split()[0] for line in recovery.__doc__.splitlines() if line[:4] == "    "]
    assert [word for word in rows if len(word) == 1] == list("ABCDEFG")
