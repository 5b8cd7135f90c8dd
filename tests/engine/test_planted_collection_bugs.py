"""The sweep of garbage collection finds bugs: each is planted in turn, and must be found.

Not among them: to forget the flush before a removal, or to remove without asking the index again.
Neither loses anything by itself, as long as the log is kept until the index is flushed and a pass
begins behind the last record that points into its segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from kiwi_engine.engine.collection.collector import Collector, _Removal
from kiwi_engine.engine.collection.segment_pass import Batch, Row, SegmentPass
from kiwi_engine.engine.collection.survey import Survey
from kiwi_engine.engine.pins import Pins
from kiwi_engine.engine.store import Store
from tests.engine.sweep import CollectionSweep
from tests.sweeps.planted import Patch, require_found


def _put_all(store: Store, rows: Sequence[Row]) -> int:
    for key, _, value in rows:
        store.put(key, value)
    return len(rows)


def _remove_at_once(collector: Collector, batch: Batch) -> None:
    assert collector._current is not None
    number = collector._current.number
    collector._current = collector._batch = None
    collector._removals.append(_Removal(number, collector._pins.now()))


def _yes(*_: object) -> bool:
    return True


PLANTED: Final[dict[str, tuple[Patch, ...]]] = {
    "moved without comparing": ((Store, "put_where_pointer", _put_all),),
    "removed before the moved values are durable": ((Collector, "_finish_batch", _remove_at_once),),
    "a snapshot's pin ignored": ((Pins, "is_past", _yes),),
    "collected before all pointers are in the index": (
        (Survey, "is_applied", _yes),
        # What would have most of them drained meanwhile, by chance.
        (Collector, "_is_drained", _yes),
        (SegmentPass, "is_empty", _yes),
    ),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PLANTED)
def test_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for patch in PLANTED[name]:
        monkeypatch.setattr(*patch)
    require_found(lambda seed: CollectionSweep(seed, every=60), lives=2, steps=300)
