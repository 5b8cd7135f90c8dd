"""Ending on SIGTERM as on Ctrl-C, so that what was started is stopped (shell)."""

from __future__ import annotations

import signal


def interrupt_on_sigterm() -> None:
    """For the main thread of a program: `timeout`, and whoever ends a CI job, send SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
