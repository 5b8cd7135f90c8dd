"""Splitting an inline command into words, with Redis' quoting rules (pure).

Double quotes know the escapes \\n \\r \\t \\b \\a and \\xHH; single quotes know only \\'. A closing
quote must be followed by white space or the end of the line. Source: the behaviour of Redis'
`sdssplitargs`, which the same rules serve in `redis.conf`.
"""

from __future__ import annotations

from typing import Final

_SPACE: Final = b" \t\n\v\f\r"
_WORD_END: Final = b" \t\n\r\x00"
_HEX: Final = b"0123456789abcdefABCDEF"
_ESCAPES: Final = {0x6E: 10, 0x72: 13, 0x74: 9, 0x62: 8, 0x61: 7}  # n r t b a
_DOUBLE: Final = 0x22
_SINGLE: Final = 0x27
_BACKSLASH: Final = 0x5C


class UnbalancedQuotesError(ValueError):
    """A quote is not closed, or something follows a closing quote directly."""


def split_words(line: bytes) -> list[bytes]:
    """The words of `line`; a NUL byte ends it. Raises `UnbalancedQuotesError`."""
    line = line.split(b"\x00", 1)[0]
    if b'"' not in line and b"'" not in line and b"\v" not in line and b"\f" not in line:
        return line.split()
    words: list[bytes] = []
    position = _skip_space(line, 0)
    while position < len(line):
        word, position = _read_word(line, position)
        words.append(word)
        position = _skip_space(line, position)
    return words


def _skip_space(line: bytes, position: int) -> int:
    while position < len(line) and line[position] in _SPACE:
        position += 1
    return position


def _read_word(line: bytes, position: int) -> tuple[bytes, int]:
    """The word that starts at `position` and the position after it."""
    word = bytearray()
    while position < len(line):
        byte = line[position]
        if byte in _WORD_END:
            return bytes(word), position
        if byte in (_DOUBLE, _SINGLE):
            # A closing quote ends the word: white space or the end of the line follows it.
            position = _read_quoted(line, position + 1, byte, word)
            return bytes(word), position
        word.append(byte)
        position += 1
    return bytes(word), position


def _read_quoted(line: bytes, position: int, quote: int, word: bytearray) -> int:
    """Append the quoted text at `position` to `word`; return the position after the quote."""
    while position < len(line):
        byte = line[position]
        if byte == quote:
            position += 1
            if position < len(line) and line[position] not in _SPACE:
                raise UnbalancedQuotesError
            return position
        if byte == _BACKSLASH and position + 1 < len(line):
            byte, position = _read_escape(line, position, quote)
        word.append(byte)
        position += 1
    raise UnbalancedQuotesError


def _read_escape(line: bytes, position: int, quote: int) -> tuple[int, int]:
    """The byte that the backslash at `position` stands for and the last position it takes."""
    follower = line[position + 1]
    if quote == _SINGLE:
        return (_SINGLE, position + 1) if follower == _SINGLE else (_BACKSLASH, position)
    digits = line[position + 2 : position + 4]
    if follower == ord("x") and len(digits) == 2 and all(digit in _HEX for digit in digits):
        return int(digits, 16), position + 3
    return _ESCAPES.get(follower, follower), position + 1
