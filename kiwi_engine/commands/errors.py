"""The errors that commands of every family share, in Redis' words (pure).

Bytes of a client are carried through `str` with `surrogateescape`, as `resp.reply.error` expects.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.errors import ReplyError

_PREVIEW_BYTES: Final = 128


def unknown_command(words: list[bytes]) -> ReplyError:
    """No such command; shows the first 128 bytes of its arguments (`server.c`, Redis 7.2)."""
    preview = b""
    for word in words[1:]:
        if len(preview) >= _PREVIEW_BYTES:
            break
        preview += b"'%b' " % _as_c_string(word)[: _PREVIEW_BYTES - len(preview)]
    name = _as_c_string(words[0])[:_PREVIEW_BYTES]
    text = b"ERR unknown command '%b', with args beginning with: %b" % (name, preview)
    return ReplyError(text.decode("utf-8", "surrogateescape"))


def wrong_arity(full_name: str) -> ReplyError:
    """`full_name` of a subcommand is `container|subcommand`, in lower case."""
    return ReplyError(f"ERR wrong number of arguments for '{full_name}' command")


def unknown_subcommand(container: str, word: bytes) -> ReplyError:
    """A container such as CLIENT has no such subcommand."""
    shown = _as_c_string(word)[:_PREVIEW_BYTES].decode("utf-8", "surrogateescape")
    text = f"ERR unknown subcommand '{shown}'. Try {container.upper()} HELP."
    return ReplyError(text)


def _as_c_string(word: bytes) -> bytes:
    """What C's `%s` would print: up to the first NUL."""
    return word.partition(b"\0")[0]
