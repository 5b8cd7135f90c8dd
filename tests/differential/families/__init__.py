"""The families of commands: for each a grammar, from which random sequences are drawn (pure)."""

from __future__ import annotations

from typing import Final

from tests.differential.families import (
    bitmaps,
    counters,
    dump,
    field_expiry,
    functions,
    generic,
    geo,
    hashes,
    hyperloglog,
    lists,
    scripts,
    sets,
    sort,
    sorted_sets,
    streams,
    strings,
)
from tests.differential.families.family import Family

FAMILIES: Final[tuple[Family, ...]] = (
    strings.FAMILY,
    counters.FAMILY,
    generic.FAMILY,
    hashes.FAMILY,
    field_expiry.FAMILY,
    lists.FAMILY,
    sets.FAMILY,
    sorted_sets.FAMILY,
    bitmaps.FAMILY,
    hyperloglog.FAMILY,
    geo.FAMILY,
    streams.FAMILY,
    sort.FAMILY,
    dump.FAMILY,
    scripts.FAMILY,
    functions.FAMILY,
)
