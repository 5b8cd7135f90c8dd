"""Random sequences of every family of commands against real servers.

Most go to the executor over a store in memory, some to a whole server of ours.

`KIWI_DIFFERENTIAL_SEQUENCES` sets how many there are of each family; scripts/differential.py runs
others for as long as one likes.
"""

from __future__ import annotations

import os
from typing import Final

import pytest

from tests.differential.families import FAMILIES
from tests.differential.families.family import Family
from tests.differential.runs import Arena, check_family

RUNNING_SEQUENCES: Final = 100
SEQUENCES: Final = int(os.environ.get("KIWI_DIFFERENTIAL_SEQUENCES", "2000"))


@pytest.mark.timeout(900)  # ten seconds of a processor that does nothing else
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_replies_are_the_same(family: Family, arena: Arena) -> None:
    count = SEQUENCES // family.cost
    assert check_family(family, arena, count) >= count


@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_replies_of_a_server_are_the_same(family: Family, running_arena: Arena) -> None:
    count = RUNNING_SEQUENCES // family.cost
    assert check_family(family, running_arena, count) >= count
