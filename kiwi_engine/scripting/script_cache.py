"""The scripts that can be called by their digest (pure).

Those that EVAL brought along are forgotten again, the oldest first, when there are many: a program
that writes its arguments into its scripts makes a new one for each call. Those of SCRIPT LOAD stay.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

# As Redis 7.4 does it; Redis 7.2 keeps all of them.
EVALUATED_MAX: Final = 500
# Beside the text of a script.
_OVERHEAD_BYTES: Final = 200


class Script(msgspec.Struct, gc=False):
    """A script by its SHA-1 digest, in small hexadecimal letters.

    `flags` are those of its first line, None without one. `is_compiled`: the interpreter knows it.
    """

    digest: bytes
    body: bytes
    flags: frozenset[str] | None
    is_loaded: bool = False
    is_compiled: bool = False

    @property
    def size(self) -> int:
        """Bytes that it takes here."""
        return len(self.body) + _OVERHEAD_BYTES


def digest_of(text: bytes) -> bytes:
    """The name of a script."""
    return hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()


class ScriptCache:
    """Owned by the executing thread. `evicted` counts what was forgotten to make room."""

    def __init__(self) -> None:
        self._scripts: dict[bytes, Script] = {}
        # Those that only EVAL brought along, the one used longest ago first.
        self._evaluated: dict[bytes, Script] = {}
        self.size = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._scripts)

    def find(self, digest: bytes) -> Script | None:
        """The script with this digest, in whatever letters."""
        script = self._scripts.get(digest) or self._scripts.get(digest.lower())
        if script is not None and not script.is_loaded:
            self._evaluated[script.digest] = self._evaluated.pop(script.digest)
        return script

    def add(self, script: Script) -> list[Script]:
        """Keep a new script; those that are forgotten for it."""
        self._scripts[script.digest] = script
        self.size += script.size
        if script.is_loaded:
            return []
        self._evaluated[script.digest] = script
        forgotten = []
        while len(self._evaluated) > EVALUATED_MAX:
            oldest = self._evaluated.pop(next(iter(self._evaluated)))
            del self._scripts[oldest.digest]
            self.size -= oldest.size
            self.evicted += 1
            forgotten.append(oldest)
        return forgotten

    def keep(self, script: Script) -> None:
        """It was loaded on purpose: it stays."""
        if not script.is_loaded:
            script.is_loaded = True
            del self._evaluated[script.digest]

    def has(self, digest: bytes) -> bool:
        """Whether there is such a script; asking is no use of it."""
        return digest in self._scripts or digest.lower() in self._scripts

    def forget_compiled(self) -> None:
        """There is a new interpreter, which knows none of them."""
        for script in self._scripts.values():
            script.is_compiled = False

    def clear(self) -> None:
        """Forget all scripts."""
        self._scripts.clear()
        self._evaluated.clear()
        self.size = 0
