"""Whose a number is, over the generations of the processes that use them."""

from __future__ import annotations

from itertools import count, islice, product

from kiwi_engine.channel.numbering import SOLE, Numbering, owner_of


def numbers(numbering: Numbering, how_many: int) -> list[int]:
    return list(islice(count(numbering.first, numbering.count), how_many))


def test_one_process_counts_from_one() -> None:
    assert numbers(SOLE, 3) == [1, 2, 3]


def test_every_number_has_one_owner() -> None:
    for number in range(3):
        numbering = Numbering(number, 3)
        for identity in numbers(numbering, 10):
            assert owner_of(identity, 3) == owner_of(-identity, 3) == number
            assert [other for other in range(3) if Numbering(other, 3).owns(identity)] == [number]


def test_generations_share_no_number_and_fit_into_63_bits() -> None:
    for number, generation in product((0, 1, 63), (1, 2, 65_535)):
        numbering = Numbering(number, 64, generation)
        assert owner_of(numbering.first, 64) == number
        a_million_a_second_for_a_week = 7 * 86_400 * 1_000_000
        last = numbering.first + 64 * a_million_a_second_for_a_week
        assert last < Numbering(number, 64, generation + 1).first or generation == 65_535
        assert last < 1 << 63
