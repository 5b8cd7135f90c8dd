"""Which names a client may give itself and its library (pure)."""

from __future__ import annotations

from kiwi_engine.errors import ReplyError


def check_name(name: bytes, complaint: str) -> None:
    """`CLIENT LIST` is split at blanks and lines: only visible ASCII may be in a name."""
    if any(not 0x21 <= byte <= 0x7E for byte in name):
        raise ReplyError(f"ERR {complaint}")
