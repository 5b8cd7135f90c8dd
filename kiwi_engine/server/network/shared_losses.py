"""What several network processes lose together with a storage process (pure).

A write that was never answered may have broken a transaction of another network process, or served
a command that waits there. So all of them tell each other what theirs may have changed, and come to
the same conclusion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from kiwi_engine.server.network.lost_runs import Touched
from kiwi_engine.server.network.slots import Slot

# Commands that wait, and hand on what they get: their source and destination come first.
_MOVES: Final = frozenset((b"blmove", b"brpoplpush"))


class Move(msgspec.Struct, array_like=True, frozen=True):
    """A command that waits for `source` and would change `destination`."""

    db: int
    source: bytes
    destination: bytes


class Report(msgspec.Struct, array_like=True):
    """What a network process knows when its channel to `storage` has ended.

    `everything` and `keys` are those of `Touched`. `moves` wait, as far as this process can tell.
    """

    process: int
    storage: int
    everything: bool
    keys: list[tuple[int, bytes]]
    moves: list[Move]


def moves_of(waiting: Iterable[Slot]) -> list[Move]:
    """Those of the commands that wait which change a second key."""
    found = ((slot.db, slot.commands[0]) for slot in waiting)
    return [Move(db, words[1], words[2]) for db, words in found if words[0].lower() in _MOVES]


def touched_by_all(reports: Sequence[Report], *, are_all: bool) -> Touched:
    """What may have been changed; anything if somebody has not reported."""
    touched = Touched()
    touched.everything = not are_all or any(report.everything for report in reports)
    for report in reports:
        touched.keys.update(report.keys)
    moves = {move for report in reports for move in report.moves}
    while served := {move for move in moves if touched.includes(move.db, move.source)}:
        moves -= served
        touched.keys.update((move.db, move.destination) for move in served)
    return touched
