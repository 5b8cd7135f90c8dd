"""Random commands from a table of synopses (pure).

A family of commands is a text, one line for one thing to do:

    3 hset KEY {FIELD VALUE}5
    hrandfield KEY [COUNT [withvalues]]
    zadd KEY [nx | xx] [ch] {SCORE MEMBER}
    zunion #{KEY} [weights {FLOAT}]
    smembers KEY; spop $KEY; del $KEY

A leading number is the weight of its line, which goes on while a bracket is open or if it ends in
`;`. `{}` repeats 1 to 3 times, or up to the number behind it; `#{}` tells first how often. Commands
with `;` between them stay together, and `$KEY` is the last key drawn.
`[]` is there half of the time, `|` between `[]` or `()` separates alternatives, an upper-case name
is drawn from a vocabulary; all else stands for itself, now and then in capitals. A small part of
the commands gets a mistake: a word left out, written twice, or replaced by rubbish.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Final

Words = list[bytes]
# What a name in capitals stands for: words to choose from, or a function that makes one.
Vocabulary = Mapping[str, Sequence[bytes] | Callable[[Random], bytes]]
# Appends the words that it draws. The dict holds the last word drawn for each name.
Part = Callable[[Random, dict[str, bytes], Words], None]

REPEATED_MAX: Final = 3
MISTAKE_SHARE: Final = 0.03
CAPITALS_SHARE: Final = 0.1
RUBBISH: Final = (b"", b"x", b"-1", b"0", b"1.5", b"99999999999999999999", b"nx")

_TOKENS: Final = re.compile(r"#?\{|\}\d*|[][()|;]|[^][(){}|;\s]+")
_BRACKETS: Final = ("[]", "()", "{}")
_NAME: Final = re.compile(r"[A-Z][A-Z_]+")


class Grammar:
    """The lines of a family; `draw` makes what one of them says. `names`: of its commands."""

    def __init__(self, text: str, vocabulary: Vocabulary, *, has_mistakes: bool = True) -> None:
        """`ValueError` for a line that is none, `KeyError` for a name without words."""
        self._mistake_share = MISTAKE_SHARE if has_mistakes else 0
        self._lines: list[list[Part]] = []
        self.names: set[str] = set()
        weights = []
        for line in _whole_lines(text):
            weight, _, rest = line.partition(" ") if line[0].isdigit() else ("1", "", line)
            weights.append(int(weight))
            self.names |= {command.split()[0] for command in rest.split(";")}
            self._lines.append(_Parser(rest, vocabulary).line())
        self._cumulative = [sum(weights[: at + 1]) for at in range(len(weights))]

    def draw(self, rng: Random) -> list[Words]:
        """The commands of one line."""
        (line,) = rng.choices(self._lines, cum_weights=self._cumulative)
        drawn: dict[str, bytes] = {}
        commands = []
        for part in line:
            words: Words = []
            part(rng, drawn, words)
            commands.append(words)
        if len(commands) == 1 and rng.random() < self._mistake_share:
            _make_mistake(rng, commands[0])
        return commands


def _whole_lines(text: str) -> Iterator[str]:
    """The lines without those that are empty; one with an open bracket or a final `;` goes on."""
    line = ""
    for row in filter(None, map(str.strip, text.splitlines())):
        line = f"{line} {row}" if line else row
        is_closed = all(line.count(begin) == line.count(end) for begin, end in _BRACKETS)
        if is_closed and not line.endswith(";"):
            yield line
            line = ""
    if line:
        raise ValueError(f"a bracket is open in {line!r}")


def _make_mistake(rng: Random, words: Words) -> None:
    """Spoil one argument; a command without any gets one too many."""
    at = rng.randrange(1, len(words) + 1)
    match rng.choice(("drop", "double", "replace")):
        case "drop":
            del words[at : at + 1]
        case "double":
            words[at:at] = words[at : at + 1] or [rng.choice(RUBBISH)]
        case _:
            words[at : at + 1] = [rng.choice(RUBBISH)]


class _Parser:
    """Turns one line into its parts."""

    def __init__(self, line: str, vocabulary: Vocabulary) -> None:
        self._line = line
        self._tokens = _TOKENS.findall(line)
        self._at = 0
        self._vocabulary = vocabulary

    def line(self) -> list[Part]:
        """One part for each command of the line."""
        commands = [self._row({";", ""})]
        while self._take() == ";":
            commands.append(self._row({";", ""}))
        return commands

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1] if self._at <= len(self._tokens) else ""

    def _row(self, ends: set[str]) -> Part:
        """Parts one after the other, up to one of `ends`, which stays."""
        parts = []
        while (token := self._take()) not in ends and token[:1] not in ends:
            assert token, f"brackets cross each other in {self._line!r}"
            parts.append(self._part(token))
        self._at -= 1
        return _row(parts)

    def _part(self, token: str) -> Part:
        if token in ("[", "("):
            return self._alternatives("]" if token == "[" else ")")
        if token in ("{", "#{"):
            inside = self._row({"}"})
            most = int(self._take()[1:] or REPEATED_MAX)
            return _repeated(inside, most, counted=token == "#{")
        if token.startswith("$"):
            return _again(token[1:])
        if _NAME.fullmatch(token):
            return _drawn(token, self._vocabulary[token])
        return _literal(token.encode())

    def _alternatives(self, end: str) -> Part:
        found = [self._row({"|", end})]
        while self._take() == "|":
            found.append(self._row({"|", end}))
        return _one_of(found, is_optional=end == "]")


def _row(parts: list[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]

    def row(rng: Random, drawn: dict[str, bytes], words: Words) -> None:
        for part in parts:
            part(rng, drawn, words)

    return row


def _one_of(parts: list[Part], *, is_optional: bool) -> Part:
    def one_of(rng: Random, drawn: dict[str, bytes], words: Words) -> None:
        if not is_optional or rng.random() < 0.5:
            rng.choice(parts)(rng, drawn, words)

    return one_of


def _repeated(part: Part, most: int, *, counted: bool) -> Part:
    def repeated(rng: Random, drawn: dict[str, bytes], words: Words) -> None:
        count = rng.randint(1, most)
        if counted:
            words.append(b"%d" % count)
        for _ in range(count):
            part(rng, drawn, words)

    return repeated


def _literal(word: bytes) -> Part:
    capitals = word.upper()

    def literal(rng: Random, drawn: dict[str, bytes], words: Words) -> None:
        words.append(capitals if rng.random() < CAPITALS_SHARE else word)

    return literal


def _drawn(name: str, source: Sequence[bytes] | Callable[[Random], bytes]) -> Part:
    def draw(rng: Random, drawn: dict[str, bytes], words: Words) -> None:
        word = drawn[name] = source(rng) if callable(source) else rng.choice(source)
        words.append(word)

    return draw


def _again(name: str) -> Part:
    def again(rng: Random, drawn: dict[str, bytes], words: Words) -> None:
        words.append(drawn[name])

    return again
