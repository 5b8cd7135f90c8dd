"""The worked examples in docs/formats as bytes."""

from __future__ import annotations

import re
from pathlib import Path

_DOCUMENTS = Path(__file__).parents[2] / "docs" / "formats"


def examples(name: str) -> list[bytes]:
    """The hex dumps in docs/formats/NAME, in order."""
    blocks = re.findall(r"```\n(0000  .*?)```", (_DOCUMENTS / name).read_text(), re.DOTALL)
    return [
        bytes.fromhex("".join(line.partition("  ")[2] for line in block.splitlines()))
        for block in blocks
    ]
