"""The recovery table: every row, and that the rows cover everything."""

from __future__ import annotations

import itertools

import pytest

from kiwi_engine.engine.recovery import cases as recovery
from kiwi_engine.engine.recovery.cases import Case, LogEnding, RecoveryFacts, classify


@pytest.mark.parametrize(
    ("facts", "letter", "next_lsn"),
    [
        (RecoveryFacts("clean", 0, 0, 0, 0, 1), "A", 1),
        (RecoveryFacts("clean", 1, 5, 0, 0, 1), "B", 6),
        (RecoveryFacts("clean", 1, 5, 5, 5, 1), "B", 6),
        (RecoveryFacts("clean", 3, 9, 2, 2, 1), "B", 10),
        (RecoveryFacts("clean", 3, 9, 5, 5, 1), "B", 10),
        (RecoveryFacts("clean", 0, 0, 7, 7, 1), "C", 8),
        (RecoveryFacts("torn", 0, 0, 0, 0, 1), "D", 1),
        (RecoveryFacts("torn", 0, 0, 7, 7, 1), "D", 8),
        (RecoveryFacts("torn", 1, 5, 0, 0, 1), "D", 6),
        (RecoveryFacts("torn", 1, 5, 5, 5, 1), "D", 6),
        (RecoveryFacts("clean", 1, 5, 9, 9, 1), "E", 0),
        (RecoveryFacts("torn", 1, 5, 9, 9, 1), "E", 0),
        (RecoveryFacts("clean", 1, 5, 3, 6, 1), "E", 0),
        (RecoveryFacts("clean", 1, 6, 3, 6, 1), "B", 7),
        (RecoveryFacts("clean", 0, 0, 3, 4, 2), "E", 0),
        (RecoveryFacts("torn", 0, 0, 0, 4, 1), "E", 0),
        (RecoveryFacts("clean", 2, 5, 0, 0, 1), "F", 0),
        (RecoveryFacts("torn", 9, 9, 7, 7, 1), "F", 0),
        (RecoveryFacts("clean", 0, 0, 0, 0, 2), "F", 0),
        (RecoveryFacts("torn", 0, 0, 0, 0, 2), "F", 0),
        (RecoveryFacts("clean", 0, 0, 7, 7, 0), "F", 0),
        (RecoveryFacts("clean", 0, 0, 0, 0, 0), "A", 1),
        (RecoveryFacts("corruption", 0, 0, 0, 0, 1), "G", 0),
        (RecoveryFacts("corruption", 1, 5, 5, 5, 1), "G", 0),
        (RecoveryFacts("corruption", 9, 9, 7, 7, 1), "G", 0),
    ],
)
def test_each_row(facts: RecoveryFacts, letter: str, next_lsn: int) -> None:
    case = classify(facts)
    assert (case.letter, case.next_lsn) == (letter, next_lsn)
    assert case.refuses == (letter in "EFG")
    assert case.repairs_tail == (letter == "D")


def all_cases() -> list[tuple[RecoveryFacts, Case]]:
    endings: tuple[LogEnding, ...] = ("clean", "torn", "corruption")
    spans = [(0, 0), *((a, b) for a in range(1, 5) for b in range(a, 5))]
    found = []
    product = itertools.product(endings, spans, range(6), range(3), range(3))
    for ending, (first, last), applied, beyond, segment in product:
        if segment or not first:
            facts = RecoveryFacts(ending, first, last, applied, applied + beyond, segment)
            found.append((facts, classify(facts)))
    return found


def test_an_accepted_case_never_uses_an_lsn_twice_and_never_skips_a_record() -> None:
    for facts, case in all_cases():
        if not case.refuses:
            assert case.next_lsn == max(facts.last_lsn, facts.applied_lsn) + 1
            assert not facts.first_lsn or facts.first_lsn <= facts.applied_lsn + 1
            assert case.next_lsn > facts.reached_lsn


def test_missing_records_and_damage_are_refused_and_nothing_else() -> None:
    for facts, case in all_cases():
        if facts.first_lsn:
            is_whole = (
                facts.first_lsn <= facts.applied_lsn + 1 and facts.last_lsn >= facts.reached_lsn
            )
        else:
            # An engine that has written anything into its index has a log; one that has not still
            # has the beginning of it.
            has_files = facts.first_segment > 0 if facts.applied_lsn else facts.first_segment < 2
            is_whole = has_files and facts.applied_lsn == facts.reached_lsn
        assert case.refuses == (not is_whole or facts.ending == "corruption")


def test_missing_records_are_named() -> None:
    meaning = classify(RecoveryFacts("clean", 9, 12, 5, 5, 1)).meaning
    assert meaning == ("records 6 to 8 are missing: the log begins at 9, the index ends at 5")


def test_the_table_in_the_docstring_names_every_letter() -> None:
    assert recovery.__doc__ is not None
    rows = [line.split()[0] for line in recovery.__doc__.splitlines() if line[:4] == "    "]
    assert [word for word in rows if len(word) == 1] == list("ABCDEFG")
