"""What all network processes have in common as processes (glue)."""

from __future__ import annotations

import asyncio
import gc
from typing import Final

# What a request allocates is freed by reference counting; cyclic garbage is rare here.
_GC_THRESHOLDS: Final = (50_000, 50, 100)


def loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop where it exists; plain asyncio serves as well, only slower."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


def settle_memory() -> None:
    """What was made by the start is there to stay, so no collection need look at it."""
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
