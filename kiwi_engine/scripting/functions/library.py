"""What a library of functions is, and the first line that says so (pure).

    #!lua name=mylibrary

Texts of errors are those of Redis 7.2.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kiwi_engine.errors import ReplyError
from kiwi_engine.resp.inline import UnbalancedQuotesError, split_words
from kiwi_engine.scripting.shebang import NO_WRITES

ENGINE: Final = b"LUA"
_NAME_CHARACTERS: Final = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
)
BAD_NAME: Final = (
    "Library names can only contain letters, numbers, or underscores(_)"
    " and must be at least one character long"
)


class Function(NamedTuple):
    """One function of a library; `flags` are some of `shebang.FLAGS`, in their order."""

    name: bytes
    description: bytes | None
    flags: tuple[str, ...]

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return NO_WRITES not in self.flags


class Library(NamedTuple):
    """A library as it was loaded; the functions are in the order in which they were registered."""

    name: bytes
    code: bytes
    functions: tuple[Function, ...]


class Heading(NamedTuple):
    """What the first line says, and the code behind it: it begins with the end of that line, so
    that the lines of the code keep their numbers."""

    name: bytes
    body: bytes


def is_name(name: bytes) -> bool:
    """Whether `name` may be that of a library or a function."""
    return bool(name) and _NAME_CHARACTERS.issuperset(name)


def read_heading(code: bytes) -> Heading:
    """The heading of a library; `ReplyError` if there is none, or one that is not understood."""
    if not code.startswith(b"#!"):
        raise ReplyError("ERR Missing library metadata")
    # The text ends at its first zero byte, as for C.
    line, line_end, _ = code.partition(b"\0")[0].partition(b"\n")
    try:
        words = split_words(line)
    except UnbalancedQuotesError:
        words = []
    if not line_end or not words:
        raise ReplyError("ERR Invalid library metadata")
    name = _read_name(words[1:])
    if not is_name(name):
        raise ReplyError(f"ERR {BAD_NAME}")
    engine = words[0][2:]
    if engine.upper() != ENGINE:
        raise ReplyError(f"ERR Engine '{_text(engine)}' not found")
    return Heading(name, code[len(line) :])


def _read_name(words: list[bytes]) -> bytes:
    name = None
    for word in words:
        if word[:5].lower() != b"name=":
            raise ReplyError(f"ERR Invalid metadata value given: {_text(word)}")
        if name is not None:
            raise ReplyError("ERR Invalid metadata value, name argument was given multiple times")
        name = word[5:]
    if name is None:
        raise ReplyError("ERR Library name was not given")
    return name


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")
