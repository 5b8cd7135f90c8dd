"""The table of discarded bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.vlog.discard import DiscardTable


def test_counting() -> None:
    table = DiscardTable()
    table.add(3, 100)
    table.add(1, 5)
    table.add(3, 20)
    assert table.items() == [(1, 5), (3, 120)]
    assert (table.get(3), table.get(9), table.total()) == (120, 0, 125)
    table.remove(3)
    table.remove(3)
    assert table.items() == [(1, 5)]


@given(st.dictionaries(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)))
def test_encoding_keeps_everything(rows: dict[int, int]) -> None:
    table = DiscardTable(rows.items())
    assert DiscardTable.decode(table.encode()).items() == sorted(rows.items())


def test_bytes_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="discard table of 13 bytes"):
        DiscardTable.decode(bytes(13))
