"""Commands without the passwords in them, for those who look on (pure).

Source: the calls of `redactClientCommandArgument` in Redis 7.2. MONITOR and SLOWLOG show commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

REDACTED: Final = b"(redacted)"
_SECRET_SETTINGS: Final = frozenset((b"requirepass", b"tls-key-file-pass"))


def redacted(words: list[bytes]) -> list[bytes]:
    """The words of a command; the same list where none of them is a secret."""
    find = _SECRETS.get(words[0].lower())
    hidden = () if find is None else tuple(find(words))
    if not hidden:
        return words
    return [REDACTED if place in hidden else word for place, word in enumerate(words)]


def _of_auth(words: list[bytes]) -> Iterable[int]:
    return range(1, len(words))


def _of_hello(words: list[bytes]) -> Iterable[int]:
    """The user and the password behind the option AUTH."""
    place = 2
    while place < len(words):
        option, following = words[place].lower(), len(words) - place - 1
        if option == b"auth" and following >= 2:
            return (place + 1, place + 2)
        place += 2 if option == b"setname" and following else 1
    return ()


def _of_acl(words: list[bytes]) -> Iterable[int]:
    """Whoever knows the rules of a user knows where to attack."""
    return range(2, len(words)) if _subcommand(words) == b"setuser" else ()


def _of_config(words: list[bytes]) -> Iterable[int]:
    if _subcommand(words) != b"set":
        return ()
    names = range(2, len(words) - 1, 2)
    return [place + 1 for place in names if words[place].lower() in _SECRET_SETTINGS]


def _subcommand(words: list[bytes]) -> bytes:
    return words[1].lower() if len(words) > 1 else b""


# The places of the secrets among the words, by command.
_SECRETS: Final[Mapping[bytes, Callable[[list[bytes]], Iterable[int]]]] = MappingProxyType(
    {b"auth": _of_auth, b"hello": _of_hello, b"acl": _of_acl, b"config": _of_config}
)
