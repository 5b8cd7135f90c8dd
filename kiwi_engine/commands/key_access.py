"""What a command does to each of its keys (pure).

Source: `getKeysFromCommandWithSpecs` of Redis 7.2 and the functions that it asks where the options
of a command decide, `setGetKeys` and `bitfieldGetKeys`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kiwi_engine.commands.key_positions import key_positions
from kiwi_engine.commands.table import Command, KeySpec

_READ: Final = ("RO", "access")
_OVERWRITE: Final = ("OW", "update")
_READ_AND_WRITE: Final = ("RW", "access", "update")


def checked_keys(row: Command, words: Sequence[bytes]) -> list[tuple[int, KeySpec]]:
    """The places of the keys among `words`, each with what specifies it.

    None at all where the words do not fit a specification: such a command fails by itself. What is
    only named like a key, a sharded channel, is none.
    """
    found: list[tuple[int, KeySpec]] = []
    for spec in row.keys:
        if "not_key" in spec.flags:
            continue
        places = key_positions(spec, words)
        if not places and not spec.keyword and not spec.unknown:
            return []
        for place in places:
            found.append((place, spec))  # noqa: PERF401 - faster for one key, which is the rule
    return found


def access_flags(spec: KeySpec, words: Sequence[bytes]) -> tuple[str, ...]:
    """Redis' words for what the command does to keys of `spec`; its options may decide."""
    if "variable_flags" not in spec.flags:
        return spec.flags
    if words[0].lower() == b"bitfield":
        return _READ if _only_gets(words) else _READ_AND_WRITE
    assert words[0].lower() == b"set", f"how do the options of {words[0]!r} change its flags?"
    reads = any(word.lower() == b"get" for word in words[3:])
    return _READ_AND_WRITE if reads else _OVERWRITE


def _only_gets(words: Sequence[bytes]) -> bool:
    """Whether all subcommands of BITFIELD read; wrong ones are taken to write."""
    place = 2
    while place < len(words):
        word, following = words[place].lower(), len(words) - place - 1
        if word == b"get" and following >= 2:
            place += 3
        elif word == b"overflow" and following >= 1:
            place += 2
        else:
            return False
    return True
