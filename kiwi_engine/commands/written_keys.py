"""Whether a command writes, and which keys (pure); told from the tables, before it is run."""

from __future__ import annotations

from kiwi_engine.commands.key_positions import key_positions
from kiwi_engine.commands.registry import lookup
from kiwi_engine.commands.table import Command


def is_write(words: list[bytes]) -> bool:
    """Whether `words` call a command that may change something."""
    command = lookup(words[0])
    return command is not None and command.is_write


def written_keys(command: Command, words: list[bytes]) -> list[bytes]:
    """The keys that a command of the right arity may change; none for FLUSHALL and the like."""
    if not command.is_write:
        return []
    keys: list[bytes] = []
    for spec in command.keys:
        if "RO" not in spec.flags:
            keys += [words[at] for at in key_positions(spec, words)]
    return keys
