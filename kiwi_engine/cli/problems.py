"""Why something failed, in one line for standard error (pure)."""

from __future__ import annotations


def reason_of(error: Exception) -> str:
    """The file and what the system says about it, or the error's own text."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)
