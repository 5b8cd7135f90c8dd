"""Clients and their ids in memory that processes share."""

from __future__ import annotations

import os

from kiwi_engine.channel.numbering import Numbering, owner_of
from kiwi_engine.server.network.client_counts import ClientCounts


def test_alone_ids_count_from_one() -> None:
    alone = ClientCounts.alone()
    assert [alone.next_id() for _ in range(3)] == [1, 2, 3]
    alone.note(7)
    assert alone.total() == 7


def test_each_process_counts_its_own_and_sees_all() -> None:
    first = ClientCounts.of_primary(3)
    others = [ClientCounts(Numbering(number, 3), first.descriptor) for number in (1, 2)]
    for clients, counts in enumerate((first, *others), start=1):
        counts.note(clients)
    for counts in (first, *others):
        assert counts.total() == 6
        assert [counts.of(number) for number in range(3)] == [1, 2, 3]
    first.clear(2)
    assert others[0].total() == 3
    os.close(first.descriptor)


def test_two_newcomers_do_not_overlook_each_other() -> None:
    first = ClientCounts.of_primary(2)
    second = ClientCounts(Numbering(1, 2), first.descriptor)
    first.note(3)
    second.note(3)
    assert first.with_newcomer(3) == 7
    assert second.with_newcomer(3) == 8
    first.note(3)
    assert second.total() == 7, "taken back"
    os.close(first.descriptor)


def test_a_successor_goes_on_with_the_ids() -> None:
    first = ClientCounts.of_primary(3)
    died = ClientCounts(Numbering(1, 3), first.descriptor)
    ids = [died.next_id() for _ in range(3)]
    died.note(3)
    first.clear(1)
    successor = ClientCounts(Numbering(1, 3, generation=1), first.descriptor)
    ids += [successor.next_id() for _ in range(3)]
    assert ids == [2, 5, 8, 11, 14, 17]
    assert {owner_of(identity, 3) for identity in ids} == {1}
    assert first.next_id() == 1, "the others have nothing to do with it"
    os.close(first.descriptor)
