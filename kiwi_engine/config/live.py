"""The configuration of a running server: `CONFIG GET` and `CONFIG SET` (shell).

One thread, that of the network runtime, owns a `LiveConfig`. A change is all or nothing: either
every pair of a `CONFIG SET` is taken over or none. Error texts are those of Redis 7.2.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from kiwi_engine.config.schema import ALIASES, SCHEMA, Key, key_called
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ReplyError

Listener = Callable[[Settings, Settings], None]
# Makes a change outside that can fail, given the settings to come and the names that are set: None,
# or the name to blame and why, and then nothing has changed.
Applier = Callable[[Settings, Collection[str]], tuple[str, str] | None]

# Keys of Redis that clients and redis-benchmark ask for. Each value states what is so here; they
# are not settings, so neither a file nor a flag may name them.
CONSTANTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "appendonly": "yes",
        "list-compress-depth": "0",
        "maxmemory": "0",
        "maxmemory-policy": "noeviction",
        "save": "",
    }
)


class LiveConfig:
    """The settings in force, and who wants to hear of changes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._listeners: list[Listener] = []
        self._applier: Applier | None = None
        self._checks: list[Applier] = []

    @property
    def settings(self) -> Settings:
        """The settings in force; immutable, replaced as a whole by `set`."""
        return self._settings

    def names(self) -> list[str]:
        """All names that `get` knows, sorted."""
        return sorted([*SCHEMA, *ALIASES, *CONSTANTS])

    def get(self, name: str) -> str:
        """The value of `name` (lower case) as text; `KeyError` if there is no such name."""
        key = key_called(name)
        return CONSTANTS[name] if key is None else key.render(self._settings)

    def subscribe(self, listener: Listener) -> None:
        """Call `listener(old, new)` after each change; it must not raise."""
        self._listeners.append(listener)

    def check_with(self, check: Applier) -> None:
        """Ask `check` about each change first; it must change nothing that would be missed."""
        self._checks.append(check)

    def apply_with(self, applier: Applier) -> None:
        """Have `applier` make each change first. There is one: two could not undo each other."""
        assert self._applier is None
        self._applier = applier

    def set(self, pairs: Sequence[tuple[str, str]]) -> Settings:
        """Change all of `pairs` (name, text) at once; `ReplyError` changes nothing."""
        new = self.preview(pairs)
        appliers = [*self._checks, self._applier] if self._applier else self._checks
        names = [name.lower() for name, _ in pairs]
        for apply in appliers:
            failure = apply(new, names)
            if failure is not None:
                raise _failed(*failure)
        old, self._settings = self._settings, new
        for listener in self._listeners:
            listener(old, new)
        return new

    def preview(self, pairs: Sequence[tuple[str, str]]) -> Settings:
        """The settings that `set(pairs)` would put in force; `ReplyError` if it would refuse."""
        keys = _changeable_keys(pairs)
        changes: dict[str, Any] = {}
        for (name, key), (_, text) in zip(keys.items(), pairs, strict=True):
            try:
                changes[key.field] = key.parse([text], getattr(self._settings, key.field))
            except ValueError as problem:
                raise _failed(name, str(problem)) from None
        return msgspec.structs.replace(self._settings, **changes)


def _changeable_keys(pairs: Sequence[tuple[str, str]]) -> dict[str, Key]:
    """The keys of `pairs` by what they are called there, in lower case.

    Each is known, changeable and named once (checked in their order); as in Redis its alias is
    another name.
    """
    keys: dict[str, Key] = {}
    for given, _ in pairs:
        name = given.lower()
        key = key_called(name)
        if key is None and name not in CONSTANTS:
            raise ReplyError(
                f"ERR Unknown option or number of arguments for CONFIG SET - '{given}'"
            )
        if key is None or not key.row.runtime:
            raise _failed(name, "can't set immutable config")
        if name in keys:
            raise _failed(name, "duplicate parameter")
        keys[name] = key
    return keys


def _failed(name: str, reason: str) -> ReplyError:
    return ReplyError(f"ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
