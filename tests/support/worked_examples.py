"""The worked examples of docs/formats/keys.md as entries of a store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "formats" / "keys.md"
# Two lines: the key in hexadecimal, and "->" with the value; comments follow two spaces.
_ENTRY: Final = re.compile(
    r"^    (?P<key>[0-9a-f]{2}(?: ?[0-9a-f]{2})*)(?:  .*)?\n"
    r"    -> (?P<value>\(empty\)|[0-9a-f]{2}(?: ?[0-9a-f]{2})*)(?:  .*)?$",
    re.MULTILINE,
)


def documented_entries(opening: str) -> dict[bytes, bytes]:
    """The entries of the first example behind the text `opening`, up to the next paragraph."""
    text = _DOCUMENT.read_text()
    assert text.count(opening) == 1, f"{opening!r} is not there once"
    behind = text[text.index(opening) :]
    block = re.search(r"\n\n((?:    .*\n)+)", behind)
    assert block is not None, f"no example follows {opening!r}"
    entries = {
        bytes.fromhex(found["key"]): bytes.fromhex(found["value"].replace("(empty)", ""))
        for found in _ENTRY.finditer(block[1])
    }
    assert entries, f"the example behind {opening!r} has no entries"
    return entries
