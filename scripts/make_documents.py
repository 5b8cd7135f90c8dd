"""Writes what documents take from the code: docs/configuration.md, the table of docs/commands.md.

Run it after a change of settings or commands; tests hold the pages to the code.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kiwi_engine.commands.reference import compatibility_table, replace_table  # noqa: E402
from kiwi_engine.config.reference import reference_page  # noqa: E402


def main() -> None:
    """Rewrite both pages in place."""
    (ROOT / "docs" / "configuration.md").write_text(reference_page())
    commands = ROOT / "docs" / "commands.md"
    commands.write_text(replace_table(commands.read_text(), compatibility_table()))


if __name__ == "__main__":
    main()
