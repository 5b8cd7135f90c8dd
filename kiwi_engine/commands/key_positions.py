"""Where the keys of a command stand among its words (pure).

Source: `getKeysUsingKeySpecs` in Redis' db.c.
"""

from __future__ import annotations

from collections.abc import Sequence

from kiwi_engine.commands.table import KeySpec
from kiwi_engine.keyspace.numerals.integers import to_integer


def key_positions(spec: KeySpec, words: Sequence[bytes]) -> range:
    """The positions that a specification finds; none where the words do not fit it."""
    if spec.finder is not None:
        return spec.finder(words)
    first = _first(spec, words)
    if spec.unknown or not 0 < first < len(words):
        return range(0)
    if spec.counted:
        count = to_integer(words[first]) or 0
        keys = range(first + 1, first + 1 + max(0, count) * spec.step, spec.step)
        return keys if keys.stop <= len(words) else range(0)
    if spec.last < 0:
        last = len(words) + spec.last
        if spec.limit > 1:
            last = first + (len(words) - first) // spec.limit + spec.last
    else:
        last = first + spec.last if spec.keyword else spec.last
    return range(first, last + 1, spec.step) if last < len(words) else range(0)


def _first(spec: KeySpec, words: Sequence[bytes]) -> int:
    """Where the keys, or their number, begin; 0 where there are none."""
    if not spec.keyword:
        return spec.first
    keyword = spec.keyword.encode()
    backwards = spec.first < 0
    start = len(words) + spec.first if backwards else spec.first
    candidates = range(start, 0, -1) if backwards else range(start, len(words))
    for at in candidates:
        if words[at].upper() == keyword:
            return at + 1
    return 0
