"""Settings that are right one by one, and wrong together (pure)."""

from __future__ import annotations

import os

from kiwi_engine.config.settings import Settings


def contradictions(settings: Settings) -> list[str]:
    """What is wrong, one line each."""
    if settings.network_threads == 1:
        return []
    problems = []
    told = f"network-threads {settings.network_threads}: several network processes need"
    if settings.runtime_mode == "single":
        problems.append(f"{told} runtime-mode dual, single is one process")
    if not hasattr(os, "memfd_create"):
        problems.append(f"{told} Linux")
    return problems
