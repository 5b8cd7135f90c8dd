"""Glob patterns exactly as Redis matches them (pure).

    *  any run of bytes     ?  any one byte     [a-c]  [^a-c]  one byte of a class     \\x  x itself

Source: the behaviour of `stringmatchlen` in Redis' util.c, its corners included: a class without
`]` ends with the pattern, a range may be written backwards, bytes above 127 sort as negative, and
an empty text matches the empty pattern only.

A pattern is compiled to one regular expression without backtracking between the parts that `*`
separates: each part takes its leftmost place (an atomic group), which is always right for globs. So
a hostile pattern costs at most its length times that of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

Matcher = Callable[[bytes], bool]

COMPILED_MAX: Final = 256
_SPECIAL: Final = re.compile(rb"[*?\[\\]")


def is_literal(pattern: bytes) -> bool:
    """Whether `pattern` matches only the text that reads the same."""
    return _SPECIAL.search(pattern) is None


@lru_cache(maxsize=COMPILED_MAX)
def compile_glob(pattern: bytes, ignore_case: bool = False) -> Matcher:
    """A function that tells whether a text matches `pattern` as a whole."""
    parts = _split(pattern, ignore_case)
    first = b"".join(parts[0])
    if len(parts) == 1:
        expression = first
    else:
        middle = b"".join(b"(?>.*?%b)" % b"".join(part) for part in parts[1:-1] if part)
        last = parts[-1]
        # The last part has a fixed length: enough bytes must be left, and it must end the text.
        tail = b"(?=.{%d}).*+(?<=%b)" % (len(last), b"".join(last)) if last else b".*+"
        expression = first + middle + tail
    full_match = re.compile(expression, re.DOTALL).fullmatch
    if not pattern:
        return lambda text: not text
    return lambda text: bool(text) and full_match(text) is not None


def _split(pattern: bytes, ignore_case: bool) -> list[list[bytes]]:
    """The expressions of single bytes, in the parts between the stars."""
    parts: list[list[bytes]] = [[]]
    at = 0
    while at < len(pattern):
        byte = pattern[at : at + 1]
        at += 1
        if byte == b"*":
            parts.append([])
            continue
        if byte == b"?":
            expression = b"."
        elif byte == b"[":
            expression, at = _class(pattern, at, ignore_case)
        else:
            if byte == b"\\" and at < len(pattern):
                byte = pattern[at : at + 1]
                at += 1
            expression = _one_of({byte[0]}, ignore_case)
        parts[-1].append(expression)
    return parts


def _class(pattern: bytes, at: int, ignore_case: bool) -> tuple[bytes, int]:
    """The expression of the class whose `[` stands before `at`, and where it ends."""
    is_negated = pattern[at : at + 1] == b"^"
    at += is_negated
    members: set[int] = set()
    while at < len(pattern):
        left = len(pattern) - at
        if pattern[at] == 0x5C and left >= 2:
            # An escaped byte is compared as it is, even where case is ignored.
            members.add(pattern[at + 1])
            at += 2
        elif pattern[at] == 0x5D:
            at += 1
            break
        elif left >= 3 and pattern[at + 1] == 0x2D:
            members |= _range(pattern[at], pattern[at + 2], ignore_case)
            at += 3
        else:
            members |= _cases(pattern[at]) if ignore_case else {pattern[at]}
            at += 1
    if is_negated:
        members = set(range(256)) - members
    return _one_of(members, ignore_case=False), at


def _range(first: int, last: int, ignore_case: bool) -> set[int]:
    """The bytes between two ends, which are signed numbers and may stand in either order."""
    low, high = sorted((_signed(first), _signed(last)))
    if not ignore_case:
        return {byte for byte in range(256) if low <= _signed(byte) <= high}
    low, high = _lower(low), _lower(high)
    return {byte for byte in range(256) if low <= _lower(_signed(byte)) <= high}


def _signed(byte: int) -> int:
    return byte - 256 if byte >= 128 else byte


def _lower(number: int) -> int:
    return number + 32 if 65 <= number <= 90 else number


def _cases(byte: int) -> set[int]:
    one = bytes((byte,))
    return {one.lower()[0], one.upper()[0]}


def _one_of(members: set[int], ignore_case: bool) -> bytes:
    """The expression that matches exactly one byte out of `members`."""
    if ignore_case:
        members = {case for byte in members for case in _cases(byte)}
    if not members:
        return b"(?!.)."
    if len(members) == 1:
        return re.escape(bytes(members))
    return b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(members)) + b"]"
