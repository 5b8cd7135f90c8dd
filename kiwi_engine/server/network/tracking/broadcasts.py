"""What was changed under the prefixes that somebody tracks, since it was last told (pure).

As in Redis, the changes of one turn are told together: for each prefix one list of keys, sorted. A
connection that does not want to hear of its own changes is spared a key that it was the last to
change.
"""

from __future__ import annotations

from collections.abc import Iterator

from kiwi_engine.server.network.tracking.prefixes import PrefixTable


class Broadcasts:
    """`prefixes` says who tracks what; owned by `Tracking`."""

    def __init__(self, prefixes: PrefixTable) -> None:
        self._prefixes = prefixes
        # By prefix: the changed keys, each with who changed it last, 0: no connection.
        self._changed: dict[bytes, dict[bytes, int]] = {}

    def __len__(self) -> int:
        """Under how many prefixes something has changed."""
        return len(self._changed)

    def add(self, key: bytes, by: int) -> None:
        """`key` was changed by connection `by`, 0: by none."""
        for prefix in self._prefixes.of_key(key):
            self._changed.setdefault(prefix, {})[key] = by

    def take(self) -> Iterator[tuple[bytes, dict[bytes, int]]]:
        """The prefixes with their changed keys, in order; there are none afterwards."""
        changed, self._changed = self._changed, {}
        yield from sorted(changed.items(), key=lambda item: item[0])


def keys_for(changed: dict[bytes, int], spared: int | None) -> list[bytes]:
    """The keys to be named, sorted; `spared` is a connection that has no need of its own."""
    return sorted(key for key, by in changed.items() if spared is None or by != spared)
