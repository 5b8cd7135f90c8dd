"""Passwords, of which only hashes are kept (pure).

A hash is the SHA-256 of a password as 64 lower-case hexadecimal digits: the form in which ACL LIST,
ACL files and the rules `#` and `!` show it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Final

_HASH: Final = re.compile(rb"[0-9a-f]{64}")


def hashed(password: bytes) -> bytes:
    return hashlib.sha256(password).hexdigest().encode()


def is_hash(text: bytes) -> bool:
    return _HASH.fullmatch(text) is not None


def is_one_of(password: bytes, hashes: Iterable[bytes]) -> bool:
    """Whether `password` has one of `hashes`; the time it takes tells nothing about them."""
    given = hashed(password)
    found = False
    for each in hashes:
        found |= hmac.compare_digest(given, each)
    return found
