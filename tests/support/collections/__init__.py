"""What the crash tests do to collections, one module a type, and how they know what must be there.

A model owns two keys, `left` and `right`, so that commands that touch both can be torn. To the
oracle they are one key, whose value is what both hold in a canonical form.
"""

from __future__ import annotations

from typing import Final

from tests.support.collections import (
    bitmaps,
    hashes,
    hyperloglogs,
    lists,
    sets,
    sorted_sets,
    streams,
)
from tests.support.collections.model import Model

MODELS: Final[tuple[Model, ...]] = (
    hashes.MODEL,
    sets.MODEL,
    sorted_sets.MODEL,
    lists.MODEL,
    streams.MODEL,
    bitmaps.MODEL,
    hyperloglogs.MODEL,
)
BY_NAME: Final = {model.name: model for model in MODELS}
