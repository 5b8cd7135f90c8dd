"""The sample file and the reference page, both derived from the schema (pure)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from kiwi_engine.config.kinds import Size, friendly_size
from kiwi_engine.config.output_limits import OutputLimitsKind
from kiwi_engine.config.schema import HINTS, SCHEMA, Key

_COMMENT_COLUMNS: Final = 88

_SAMPLE_HEAD: Final = """\
# Kiwi Engine, sample configuration: every key with its default.
# Serve with it: kiwi-engine serve --config kiwi.conf
"""

_PAGE_HEAD: Final = """\
# Configuration

This page is generated: `kiwi-engine config --markdown > docs/configuration.md`.

Settings come from three places; the later one wins:

1. a file: `kiwi-engine serve --config kiwi.conf`
2. the environment: `KIWI_VALUE_THRESHOLD=4kb`
3. flags: `--value-threshold 4kb`

`kiwi-engine config` prints a file with every key and its default, ready to be edited. The form is
that of `redis.conf`: one `key value` a line, `#` begins a comment line, `"..."` and `'...'` quote,
and `include FILE` (relative to the file it stands in) reads another file in its place.

Sizes are bytes, or have a unit: `b`, `k` (1000), `kb` (1024), `m`, `mb`, `g`, `gb`. Durations may
have one of `us`, `ms`, `s`, `m`, `h`; without it they are in the unit that the table names.

An unknown key or a value that does not fit stops the start with exit code 2, after *all* problems
of all three places were listed. That goes for environment variables that begin with `KIWI_`, too.
(Kubernetes makes such variables for a service that is called "kiwi": give the service another name,
or set `enableServiceLinks: false`.)

"Live" keys can be changed with `CONFIG SET` while the server runs; `CONFIG GET` shows all. "Redis"
marks keys that mean the same in redis.conf.
"""


def sample_file() -> str:
    """A file for `--config` that spells out every default."""
    parts = [_SAMPLE_HEAD]
    for section, keys in _by_section():
        parts.append(f"\n# === {section} ===\n")
        parts.extend(_sample_entry(key) for key in keys)
    return "".join(parts)


def _sample_entry(key: Key) -> str:
    notes = key.row.kind.describe().replace("`", "")
    if key.row.runtime:
        notes += "; live"
    comment = f"{key.row.help} ({notes})"
    lines = textwrap.wrap(comment, _COMMENT_COLUMNS, initial_indent="# ", subsequent_indent="# ")
    value = default_text(key) or '""'
    return "\n".join(["", *lines, f"{key.name} {value}", ""])


def reference_page() -> str:
    """`docs/configuration.md`."""
    parts = [_PAGE_HEAD]
    for section, keys in _by_section():
        parts.append(f"\n## {section}\n\n")
        parts.append("| Key | Default | Values | Live | Redis | Meaning |\n")
        parts.append("|---|---|---|---|---|---|\n")
        parts.extend(_table_line(key) for key in keys)
    parts.append("\n## Keys of Redis that are not settings here\n\n")
    parts.extend(f"- `{name}`: {text}\n" for name, text in sorted(HINTS.items()))
    return "".join(parts)


def _table_line(key: Key) -> str:
    default = default_text(key)
    cells = (
        f"`{key.name}`",
        f"`{default}`" if default else "(empty)",
        key.row.kind.describe(),
        "yes" if key.row.runtime else "",
        "yes" if key.row.redis else "",
        key.row.help,
    )
    return "| " + " | ".join(cells) + " |\n"


def default_text(key: Key) -> str:
    """The default as a person would write it: "512mb" rather than "536870912"."""
    if isinstance(key.row.kind, Size):
        return friendly_size(key.default)
    if isinstance(key.row.kind, OutputLimitsKind):
        return key.row.kind.render(key.default, friendly_size)
    return key.row.kind.render(key.default)


def _by_section() -> Iterator[tuple[str, list[Key]]]:
    for section, keys in groupby(SCHEMA.values(), key=lambda key: key.row.section):
        yield section, list(keys)
