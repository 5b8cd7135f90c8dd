"""Reading configuration files in the manner of redis.conf (shell).

    # a comment fills its line
    port 7379
    requirepass "two words"
    include other.conf

`include` names a file relative to the one it stands in and takes its place. Nothing is checked
here but the form; all problems are collected, none stops the reading.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from kiwi_engine.resp.inline import UnbalancedQuotesError, split_words


class Assignment(NamedTuple):
    """A key with the words it was given, and the place to name when they are wrong."""

    source: str
    name: str
    words: list[str]


def read_file(path: str, problems: list[str]) -> list[Assignment]:
    """The assignments of the file at `path` and its includes, in order; problems are appended."""
    return _read(Path(path), path, (), problems)


def _read(
    path: Path, source: str, including: tuple[Path, ...], problems: list[str]
) -> list[Assignment]:
    resolved = path.resolve()
    if resolved in including:
        problems.append(f"{source}: {path} includes itself")
        return []
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        problems.append(f"{source}: cannot read {path}: {error.strerror}")
        return []
    assignments: list[Assignment] = []
    for number, line in enumerate(lines, start=1):
        place = f"{path}:{number}"
        words = _words(line, place, problems)
        if words and words[0].lower() == "include":
            if len(words) != 2:
                problems.append(f"{place}: include: one file name is expected")
                continue
            included = path.parent / words[1]
            assignments += _read(included, place, (*including, resolved), problems)
        elif words:
            assignments.append(Assignment(place, words[0].lower(), words[1:]))
    return assignments


def _words(line: bytes, place: str, problems: list[str]) -> list[str]:
    """The words of a line; none for a comment, an empty line or one with unbalanced quotes."""
    if line.lstrip().startswith(b"#"):
        return []
    try:
        words = split_words(line)
    except UnbalancedQuotesError:
        problems.append(f"{place}: unbalanced quotes")
        return []
    return [word.decode("utf-8", "surrogateescape") for word in words]
