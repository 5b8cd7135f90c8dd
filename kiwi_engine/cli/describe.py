"""Stored keys and values in words, for people who look into files (pure)."""

from __future__ import annotations

import string
from datetime import UTC, datetime
from typing import Final

from kiwi_engine.engine.state import STATE_KEY
from kiwi_engine.keyspace.encoding import (
    EMBEDDED,
    REGISTRY,
    field_expiry_bound,
    parse_expiry_key,
    user_key,
)
from kiwi_engine.keyspace.spread.versions import TABLE_NAMES

_PLAIN: Final = frozenset(string.printable.encode()) - frozenset(b'"\\\t\n\r\x0b\x0c')
_DATA_KEY_BYTES_MIN: Final = 9
_EXPIRY_KEY_BYTES_MIN: Final = 13
_ELEMENT_KEY_BYTES_MIN: Final = 9
_FIELD_EXPIRY: Final = field_expiry_bound(0)[:1]
_VERSIONED: Final = {REGISTRY: "home", **TABLE_NAMES}


def quote(data: bytes, bytes_max: int) -> str:
    r"""`data` in double quotes, odd bytes as \xHH, cut after `bytes_max` bytes."""
    shown = "".join(chr(b) if b in _PLAIN else f"\\x{b:02x}" for b in data[:bytes_max])
    rest = len(data) - bytes_max
    return f'"{shown}"' + (f" and {rest} bytes more" if rest > 0 else "")


def describe_key(key: bytes, bytes_max: int) -> str:
    """What a stored key stands for (see docs/formats/keys.md)."""
    if key == STATE_KEY:
        return "engine state"
    if key[:1] == b"d" and len(key) >= _DATA_KEY_BYTES_MIN:
        namespace = int.from_bytes(key[1:5], "big")
        return f"namespace {namespace} key {quote(user_key(key), bytes_max)}"
    if key[:1] == b"x" and len(key) >= _EXPIRY_KEY_BYTES_MIN:
        entry = parse_expiry_key(key)
        when = format_moment(entry.deadline_ms)
        return f"expiry at {when} of namespace {entry.namespace} key " + quote(entry.key, bytes_max)
    if key[:1] == _FIELD_EXPIRY and len(key) >= _EXPIRY_KEY_BYTES_MIN:
        entry = parse_expiry_key(key)
        when = format_moment(entry.deadline_ms)
        hash_ = f"namespace {entry.namespace} key {quote(entry.key, bytes_max)}"
        return f"expiry at {when} of fields of {hash_}"
    if key[:1] == EMBEDDED:
        return f"embedded key {quote(key[1:], bytes_max)}"
    if key[:1] in _VERSIONED and len(key) >= _ELEMENT_KEY_BYTES_MIN:
        version = int.from_bytes(key[1:_ELEMENT_KEY_BYTES_MIN], "big")
        rest = key[_ELEMENT_KEY_BYTES_MIN:]
        named = f" {quote(rest, bytes_max)}" if rest else ""
        return f"{_VERSIONED[key[:1]]}{named} of version {version}"
    if key[:1] == b"m":
        return f"meta {quote(key[1:], bytes_max)}"
    return f"unknown key {quote(key, bytes_max)}"


def format_moment(moment_ms: int) -> str:
    """Milliseconds since the epoch as a UTC time, as far as the calendar goes."""
    try:
        moment = datetime.fromtimestamp(moment_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{moment_ms} ms"
    return moment.isoformat(timespec="milliseconds")
