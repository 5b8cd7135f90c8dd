"""From a command's synopsis to its arguments as `COMMAND DOCS` tells them (pure).

    synopsis = item*                     in this order
    item     = [ items ]                 optional
             | < items >                 required group
             | WORD                      a token: literal text, in capitals
             | word                      a value, named by the word
             | item ...                  may be repeated (written `key [key ...]`, too)
    items    = item* ( "|" item* )*      alternatives

A token followed by a value is one argument: the value with that token. Source of the form that
arguments take: the documentation of COMMAND DOCS in Redis.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

_LEXEMES: Final = re.compile(r"\.\.\.|[\[\]<>|]|[^\s\[\]<>|]+")
_CLOSING: Final = {"[": "]", "<": ">"}
_KEY_NAMES: Final = {"key", "newkey", "source", "destination", "key1", "key2"}
_INTEGER_NAMES: Final = {
    "client-id",
    "count",
    "cursor",
    "db",
    "decrement",
    "destination-db",
    "end",
    "index",
    "index1",
    "index2",
    "milliseconds",
    "min-match-len",
    "offset",
    "protover",
    "seconds",
    "start",
}
_UNIX_TIME_PREFIX: Final = "unix-time"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument; `type` is a word of Redis: string, integer, key, pattern, unix-time,
    pure-token, oneof, block. `arguments` are those of the last two."""

    name: str
    type: str
    token: str = ""
    is_optional: bool = False
    is_multiple: bool = False
    arguments: tuple[Argument, ...] = ()


def parse_synopsis(text: str) -> tuple[Argument, ...]:
    """The arguments of a command with this synopsis; `ValueError` if it is malformed."""
    reader = _Reader(_LEXEMES.findall(text))
    arguments = reader.sequence("")
    if not reader.at_end:
        raise ValueError(f"unexpected {reader.peek()!r} in {text!r}")
    return arguments


class _Reader:
    def __init__(self, lexemes: list[str]) -> None:
        self._lexemes = lexemes
        self._position = 0

    @property
    def at_end(self) -> bool:
        return self._position == len(self._lexemes)

    def peek(self) -> str:
        return "" if self.at_end else self._lexemes[self._position]

    def _take(self) -> str:
        lexeme = self.peek()
        self._position += 1
        return lexeme

    def sequence(self, closing: str) -> tuple[Argument, ...]:
        """Items up to a `|`, the closing bracket or the end."""
        items: list[Argument] = []
        while self.peek() not in ("", "|", closing):
            lexeme = self.peek()
            if lexeme == "...":
                self._take()
                items = _repeat(items)
            elif lexeme in _CLOSING:
                self._take()
                _append(items, self._group(lexeme))
            elif lexeme in ("]", ">"):
                raise ValueError(f"unexpected {lexeme!r}")
            else:
                self._take()
                _append(items, _token(lexeme) if _is_token(lexeme) else _value(lexeme))
        return tuple(items)

    def _group(self, opening: str) -> Argument:
        closing = _CLOSING[opening]
        alternatives = [self.sequence(closing)]
        while self.peek() == "|":
            self._take()
            alternatives.append(self.sequence(closing))
        if self._take() != closing:
            raise ValueError(f"{closing!r} is missing")
        if not all(alternatives):
            raise ValueError("an alternative is empty")
        choices = tuple(_as_one(alternative) for alternative in alternatives)
        group = choices[0] if len(choices) == 1 else _choice(choices)
        return replace(group, is_optional=opening == "[")


def _append(items: list[Argument], item: Argument) -> None:
    """Add an item; a token before a value becomes the token of the value."""
    previous = items[-1] if items else None
    if previous is not None and _repeats(items, item):
        return
    if (
        previous is not None
        and previous.type == "pure-token"
        and not previous.is_optional
        and not item.is_optional
        and not item.token
    ):
        item = replace(item, token=previous.token)
        items.pop()
    items.append(item)


def _repeats(items: list[Argument], item: Argument) -> bool:
    """Whether `item` is the `[x ...]` behind an `x`; if so, `x` becomes a repeated one."""
    if not (item.is_optional and item.is_multiple):
        return False
    unit = item.arguments if item.type == "block" else (item,)
    plain = tuple(replace(each, is_optional=False, is_multiple=False, token="") for each in unit)
    before = tuple(replace(each, token="") for each in items[-len(plain) :])
    if before != plain:
        return False
    repeated = tuple(items[-len(plain) :])
    del items[-len(plain) :]
    items.append(replace(_as_one(repeated), is_multiple=True))
    return True


def _repeat(items: list[Argument]) -> list[Argument]:
    """`...` repeats what stands before it: a value with its token, or the whole sequence."""
    if not items:
        raise ValueError("nothing to repeat")
    if items[0].token and len(items) == 1:
        return [replace(items[0], is_multiple=True)]
    return [replace(_as_one(tuple(items)), is_multiple=True)]


def _as_one(items: tuple[Argument, ...]) -> Argument:
    if len(items) == 1:
        return items[0]
    return Argument("_".join(item.name for item in items), "block", arguments=items)


def _choice(choices: tuple[Argument, ...]) -> Argument:
    return Argument("_".join(choice.name for choice in choices), "oneof", arguments=choices)


def _is_token(lexeme: str) -> bool:
    return lexeme.upper() == lexeme and any(letter.isalpha() for letter in lexeme)


def _token(lexeme: str) -> Argument:
    return Argument(lexeme.lower(), "pure-token", token=lexeme)


def _value(name: str) -> Argument:
    if name in _KEY_NAMES:
        return Argument(name, "key")
    if name == "pattern":
        return Argument(name, "pattern")
    if name.startswith(_UNIX_TIME_PREFIX):
        return Argument(name, "unix-time")
    return Argument(name, "integer" if name in _INTEGER_NAMES else "string")
