"""Commands as people write them down: `SET k "two words"; GET k` (pure)."""

from __future__ import annotations

import shlex


def commands_of(line: str) -> list[list[bytes]]:
    """The commands of a line: separated by semicolons, and split as a shell would."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";")
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[list[bytes]] = [[]]
    for token in lexer:
        if token == ";":
            commands.append([])
        else:
            commands[-1].append(token.encode())
    return commands
