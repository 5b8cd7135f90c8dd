"""The first line of a script: `#!lua flags=no-writes,allow-stale` (pure).

Texts of errors are those of Redis 7.2. A script without such a line may do what scripts could do
before there were flags.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kiwi_engine.errors import ReplyError
from kiwi_engine.resp.inline import UnbalancedQuotesError, split_words

NO_WRITES: Final = "no-writes"
# Redis' words for what a script does. Only `NO_WRITES` makes a difference here: there is neither a
# cluster nor a replica, and no limit of memory that a script could pass.
FLAGS: Final = (NO_WRITES, "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys")


class Heading(NamedTuple):
    """`flags` is None where there is no such line. `body` keeps the numbers of its lines."""

    flags: frozenset[str] | None
    body: bytes


def read_shebang(script: bytes) -> Heading:
    """The flags and the code of a script; `ReplyError` if its first line is not understood."""
    if not script.startswith(b"#!"):
        return Heading(None, script)
    line, line_end, _ = script.partition(b"\n")
    if not line_end:
        raise ReplyError("ERR Invalid script shebang")
    try:
        words = split_words(line.partition(b"\0")[0])
    except UnbalancedQuotesError:
        raise ReplyError("ERR Invalid engine in script shebang") from None
    if words[0] != b"#!lua":
        raise ReplyError(f"ERR Unexpected engine in script shebang: {_text(words[0])}")
    flags: set[str] = set()
    for word in words[1:]:
        if not word.startswith(b"flags="):
            raise ReplyError(f"ERR Unknown lua shebang option: {_text(word)}")
        flags.update(_read_flags(word.removeprefix(b"flags=")))
    return Heading(frozenset(flags), script[len(line) :])


def _read_flags(text: bytes) -> list[str]:
    flags = [_text(flag) for flag in text.split(b",")] if text else []
    for flag in flags:
        if flag not in FLAGS:
            raise ReplyError(f"ERR Unexpected flag in script shebang: {flag}")
    return flags


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")
