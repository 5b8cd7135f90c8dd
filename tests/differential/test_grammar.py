"""The grammar from which random sequences are drawn."""

from __future__ import annotations

from random import Random

import pytest

from tests.differential.families import FAMILIES
from tests.differential.families.family import Family
from tests.differential.grammar import MISTAKE_SHARE, Grammar, Vocabulary, Words
from tests.differential.runs import SEQUENCES_AT_ONCE, batch

VOCABULARY: Vocabulary = {
    "KEY": [b"a", b"b"],
    "FIELD": [b"f"],
    "NUMBER": lambda rng: b"%d" % rng.randint(5, 6),
}


def drawn(text: str, count: int = 300) -> list[list[Words]]:
    grammar = Grammar(text, VOCABULARY)
    return [grammar.draw(Random(seed)) for seed in range(count)]


def single(text: str) -> set[tuple[bytes, ...]]:
    """What one line makes, in lower case."""
    return {tuple(word.lower() for word in words) for (words,) in drawn(text)}


def test_a_seed_always_makes_the_same() -> None:
    assert drawn("set KEY [FIELD | NUMBER]") == drawn("set KEY [FIELD | NUMBER]")


def test_brackets_choose() -> None:
    assert {(b"get", b"a"), (b"get", b"b")} <= single("get KEY")
    assert {(b"x",), (b"x", b"y"), (b"x", b"z", b"5")} <= single("x [y | z NUMBER]")
    assert {(b"x", b"y"), (b"x", b"z", b"f")} <= single("x (y | z FIELD)")


def test_repetitions_are_bounded_and_counted() -> None:
    plain = {(b"x", *[b"f"] * count) for count in (1, 2, 3)}
    assert plain <= single("x {FIELD}")
    counted = {(b"x", b"%d" % count, *[b"f"] * count) for count in (1, 2)}
    assert counted <= single("x #{FIELD}2")
    assert (b"x", b"3", b"f", b"f", b"f") not in single("x #{FIELD}2")


def test_commands_of_one_line_stay_together_and_keep_the_key() -> None:
    for first, second in drawn("smembers KEY; spop $KEY"):
        assert [first[0].lower(), second[0].lower()] == [b"smembers", b"spop"]
        assert first[1] == second[1]


def test_a_weight_makes_a_line_more_likely() -> None:
    names = [commands[0][0].lower() for commands in drawn("9 often KEY\nseldom KEY", 1000)]
    assert 850 < names.count(b"often") < 950


def test_some_commands_hold_a_mistake() -> None:
    right = [[name, key] for name in (b"get", b"GET") for key in (b"a", b"b")]
    wrong = [words for (words,) in drawn("get KEY", 2000) if words not in right]
    assert MISTAKE_SHARE / 2 < len(wrong) / 2000 < MISTAKE_SHARE * 2


@pytest.mark.parametrize("text", ["x [y", "x {y", "x (y | z"])
def test_open_brackets_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a bracket is open"):
        Grammar(text, VOCABULARY)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(KeyError):
        Grammar("get NOTHING", VOCABULARY)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_line_of_a_family_is_drawn(family: Family) -> None:
    rng = Random(1)
    seen = {words[0].lower() for _ in range(5000) for words in family.grammar.draw(rng)}
    assert {name.encode() for name in family.grammar.names} <= seen


def test_a_number_makes_the_same_batch_and_another_one_others() -> None:
    family = FAMILIES[0]
    assert batch(family, 7) == batch(family, 7)
    sequences = {repr(commands) for number in range(20) for commands in batch(family, number)}
    assert len(sequences) == 20 * SEQUENCES_AT_ONCE
