"""Giving free memory back to the system (shell)."""

from __future__ import annotations

import ctypes
import gc


def release_memory() -> None:
    """Collect garbage, and let the C library return what it keeps, where it can."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
