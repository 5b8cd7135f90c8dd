"""Two states beside each other, so that a failure explains itself."""

from __future__ import annotations

Rows = dict[bytes, bytes]


def differences(rows: Rows, expected: Rows) -> str:
    """What is missing in `rows`, and what is there that should not be."""
    missing = sorted(expected.items() - rows.items())
    surplus = sorted(rows.items() - expected.items())
    return f"missing: {missing}, too much: {surplus}"
