"""The libraries of functions as they are stored (pure). Specified in formats/keys.md.

    meta "mfunction/" | name of a library  ->  its code

They belong to no database: FLUSHALL leaves them alone. A change is part of the command's batch and
undone with it. Only the executing thread uses this.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.keyspace import encoding

META_FUNCTION: Final = b"mfunction/"


class FunctionStore:
    """`generation` grows whenever what is stored may be other than what was last read or written:
    after a start, and when changes were taken back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.generation = 0

    def reload(self) -> None:
        """What is stored may have changed."""
        self.generation += 1

    def codes(self) -> dict[bytes, bytes]:
        """The code of each library by its name, in the order of names."""
        rows = self._store.range(META_FUNCTION, encoding.behind(META_FUNCTION))
        names = [key.removeprefix(META_FUNCTION) for key, _ in rows]
        return {name: self._code(name) for name in names}

    def put(self, name: bytes, code: bytes) -> None:
        """Store a library, in place of the one of this name if there is any."""
        self._store.put(META_FUNCTION + name, code)

    def delete(self, name: bytes) -> None:
        self._store.delete(META_FUNCTION + name)

    def _code(self, name: bytes) -> bytes:
        code = self._store.get(META_FUNCTION + name)
        assert code is not None, "it was there a moment ago"
        return code
