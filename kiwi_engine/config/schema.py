"""The rows of `Settings` as data: look-up by key, parsing, rendering (pure)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, get_type_hints

import msgspec

from kiwi_engine.config.kinds import PartialKind
from kiwi_engine.config.rows import Row
from kiwi_engine.config.settings import Settings


@dataclass(frozen=True)
class Key:
    """A row with its names: `name` is `value-threshold`, `field` is `value_threshold`."""

    name: str
    field: str
    row: Row
    default: Any

    @property
    def variable(self) -> str:
        """The environment variable that sets this key."""
        return "KIWI_" + self.field.upper()

    @property
    def flag(self) -> str:
        """The command line option that sets this key."""
        return "--" + self.name

    def parse(self, words: Sequence[str], before: Any = None) -> Any:
        """The value of `words`, which followed on `before`; `ValueError` saying what is wrong."""
        kind = self.row.kind
        if isinstance(kind, PartialKind) and before is not None:
            return kind.change(before, words)
        return kind.parse(words)

    def render(self, settings: Settings) -> str:
        """This key's value in `settings`, as `CONFIG GET` shows it."""
        return self.row.kind.render(getattr(settings, self.field))


def _build() -> Mapping[str, Key]:
    hints = get_type_hints(Settings, include_extras=True)
    keys = {}
    for item in msgspec.structs.fields(Settings):
        (row,) = hints[item.name].__metadata__
        assert isinstance(row, Row), f"{item.name} has no row"
        name = item.name.replace("_", "-")
        keys[name] = Key(name, item.name, row, item.default)
    return MappingProxyType(keys)


# Key by name, in the order of the rows.
SCHEMA: Final = _build()

# Second names of keys, by which a file, a flag and CONFIG may call them as well.
ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {key.row.alias: key.name for key in SCHEMA.values() if key.row.alias}
)


def key_called(name: str) -> Key | None:
    """The key of that name or alias (in lower case)."""
    return SCHEMA.get(ALIASES.get(name, name))


# Keys of redis.conf that people bring along, and what they would want to know instead.
HINTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "appendonly": "every write is logged, always; see appendfsync",
        "appendfilename": "the log lies in the directory of `dir`",
        "dbfilename": "there are no snapshot files; the log is the only truth",
        "save": "there are no snapshots; every write is logged",
        "maxmemory": "data may exceed memory; `memory` is the budget for caches",
        "maxmemory-policy": "nothing is evicted; data lives on disk",
        "list-compress-depth": "lists are compressed on the disk, like everything else",
        "io-threads": "processes serve the clients; see network-threads",
        "daemonize": "the server stays in the foreground; use a service manager",
        "tls-ciphersuites": "those of TLS 1.3 cannot be chosen; see tls-ciphers for TLS 1.2",
        "tls-session-caching": "clients may always resume sessions",
        "tls-replication": "there is no replication",
        "tls-cluster": "there is no cluster",
    }
)


def unknown_key(name: str, candidates: Iterable[str] = SCHEMA) -> str:
    """What to say about a key that does not exist: a hint, or the nearest name."""
    lowered = name.lower()
    if lowered in HINTS:
        return f"unknown key '{name}': {HINTS[lowered]}"
    near = difflib.get_close_matches(lowered, list(candidates), n=1)
    return f"unknown key '{name}'" + (f"; did you mean '{near[0]}'?" if near else "")
