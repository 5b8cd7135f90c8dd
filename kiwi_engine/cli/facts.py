"""Facts in sections: parsed from INFO, shown as JSON or as tables (pure, but for printing).

    facts = {section: {field: number | text | {name: number | text}}}

Section names are lower case, as INFO takes them. A field such as `cmdstat_get:calls=1,usec=2`
becomes a dict of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from rich.console import Console
from rich.table import Table

Scalar = int | float | str
Facts = dict[str, dict[str, Scalar | dict[str, Scalar]]]

_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]*)").fullmatch
_DECIMAL: Final = re.compile(r"-?[0-9]+\.[0-9]+").fullmatch
_PAIRS: Final = re.compile(r"[^=,]+=[^=,]*(,[^=,]+=[^=,]*)*").fullmatch
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_HUMAN_FROM: Final = 1024


def parse_info(text: str) -> Facts:
    """The sections of an INFO reply."""
    facts: Facts = {}
    section: dict[str, Scalar | dict[str, Scalar]] = {}
    nests = False
    for line in text.splitlines():
        if line.startswith("#"):
            name = line[1:].strip().lower()
            section = facts.setdefault(name, {})
            # Elsewhere a value with `=` is text: a path, for example.
            nests = name == "keyspace" or name.endswith("stats")
        elif ":" in line:
            field, _, value = line.partition(":")
            section[field] = _value(value) if nests else _scalar(value)
    return facts


def _value(text: str) -> Scalar | dict[str, Scalar]:
    if not _PAIRS(text):
        return _scalar(text)
    pairs = (pair.partition("=") for pair in text.split(","))
    return {name: _scalar(value) for name, _, value in pairs}


def _scalar(text: str) -> Scalar:
    if _INTEGER(text):
        return int(text)
    return float(text) if _DECIMAL(text) else text


def print_tables(facts: Facts, console: Console) -> None:
    """One table per section; sections of nested fields get one column per name."""
    for section, fields in facts.items():
        nested = {field: value for field, value in fields.items() if isinstance(value, dict)}
        plain = {field: value for field, value in fields.items() if not isinstance(value, dict)}
        if plain or not nested:
            console.print(_plain_table(section, plain))
        if nested:
            console.print(_nested_table(section, nested))


def _plain_table(section: str, fields: Mapping[str, Scalar]) -> Table:
    table = Table(title=section, title_justify="left", show_header=False, min_width=60)
    table.add_column("field")
    table.add_column("value", justify="right", overflow="fold")
    for field, value in fields.items():
        table.add_row(field, human(field, value))
    if not fields:
        table.add_row("(nothing yet)", "")
    return table


def _nested_table(section: str, fields: Mapping[str, Mapping[str, Scalar]]) -> Table:
    names = list(dict.fromkeys(name for values in fields.values() for name in values))
    table = Table(title=section, title_justify="left")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right")
    for field, values in fields.items():
        table.add_row(field, *(human(name, values.get(name, "")) for name in names))
    return table


def human(field: str, value: Scalar) -> str:
    """`value` for reading: numbers of bytes also in a unit."""
    is_bytes = ("bytes" in field or "memory" in field) and isinstance(value, int)
    if not is_bytes or abs(float(value)) < _HUMAN_FROM:
        return str(value)
    size = float(value)
    for unit in _UNITS:
        if abs(size) < _HUMAN_FROM or unit == _UNITS[-1]:
            return f"{value} ({size:.1f} {unit})"
        size /= 1024
    raise AssertionError("the last unit always returns")
