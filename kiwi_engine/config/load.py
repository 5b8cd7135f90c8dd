"""From file, environment and flags to `Settings` (glue).

Later sources win: defaults, then the file, then `KIWI_*`, then flags. Nothing is accepted half: all
problems of all sources are raised as one `ConfigError`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kiwi_engine.config.contradictions import contradictions
from kiwi_engine.config.file import Assignment, read_file
from kiwi_engine.config.schema import ALIASES, SCHEMA, key_called, unknown_key
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ConfigError

_PREFIX: Final = "KIWI_"
# What a line of a configuration file begins with that defines a user of access control lists.
USER_LINE: Final = "user"
# Their values are not repeated in messages.
_SECRETS: Final = frozenset({"requirepass", "tls-key-file-pass"})
# Variables of the test kit that are no settings.
_OTHER_VARIABLES: Final = frozenset({"KIWI_FAILPOINT", "KIWI_DIFFERENTIAL_SERVER"})


def load_settings(
    file: str | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    unknown_flags: Sequence[str] = (),
) -> Settings:
    """The settings that these sources make together; `ConfigError` lists all that is wrong.

    `flags` maps key names to texts. `unknown_flags` are options that the command line parser could
    not place; they are reported with everything else.
    """
    problems: list[str] = []
    assignments = read_file(file, problems) if file is not None else []
    assignments += _from_environment(environment or {}, problems)
    for name, text in (flags or {}).items():
        assignments.append(Assignment("command line", name, [text]))
    values = _evaluate(assignments, problems)
    problems += _unknown_flags(unknown_flags)
    settings = Settings(**values)
    problems += contradictions(settings)
    if problems:
        raise ConfigError(problems)
    # Absolute, so that CONFIG GET and the log name one place whatever the working directory is.
    return msgspec.structs.replace(
        settings,
        dir=os.path.abspath(settings.dir),
        aclfile=os.path.abspath(settings.aclfile) if settings.aclfile else "",
    )


def user_lines(file: str | None) -> list[Assignment]:
    """The lines of `file` that define users; they are no settings, and not looked into here."""
    if file is None:
        return []
    return [line for line in read_file(file, []) if line.name == USER_LINE]


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> list[Assignment]:
    by_variable = {key.variable: key.name for key in SCHEMA.values()}
    by_variable |= {_PREFIX + name.replace("-", "_").upper(): name for name in ALIASES}
    assignments = []
    for variable in sorted(environment):
        if not variable.startswith(_PREFIX) or variable in _OTHER_VARIABLES:
            continue
        name = by_variable.get(variable)
        if name is None:
            wanted = variable.removeprefix(_PREFIX).lower().replace("_", "-")
            problems.append(f"environment {variable}: {unknown_key(wanted)}")
        else:
            source = f"environment {variable}"
            assignments.append(Assignment(source, name, [environment[variable]]))
    return assignments


def _evaluate(assignments: Sequence[Assignment], problems: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for source, name, words in assignments:
        key = key_called(name)
        if name == USER_LINE:
            continue
        if key is None:
            problems.append(f"{source}: {unknown_key(name)}")
            continue
        try:
            values[key.field] = key.parse(words, values.get(key.field))
        except ValueError as problem:
            given = " ".join(words)
            shown = f" '{given}'" if given and key.name not in _SECRETS else ""
            problems.append(f"{source}: {name}{shown}: {problem}")
    return values


def _unknown_flags(words: Sequence[str]) -> list[str]:
    """One problem for each option; the word behind an unknown option is taken for its value."""
    problems = []
    value_expected = False
    for word in words:
        if word.startswith("--"):
            name, separator, _ = word[2:].partition("=")
            problems.append(f"command line: {unknown_key(name)}")
            value_expected = not separator
        elif not value_expected:
            problems.append(f"command line: unexpected argument '{word}'")
        else:
            value_expected = False
    return problems
