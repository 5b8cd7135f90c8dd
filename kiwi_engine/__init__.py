"""Kiwi Engine: a durable, disk-sized, Redis-compatible storage server, also to be embedded (glue).

    import kiwi_engine

    with kiwi_engine.open("data") as engine:
        engine.put(b"key", b"value")

Everything but the version is loaded when it is first asked for: the command line and the server's
processes import this package too, and do without the embedded API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiwi_engine.version import VERSION

if TYPE_CHECKING:
    import os
    from typing import Unpack

    from kiwi_engine.embedded.batch import WriteBatch
    from kiwi_engine.embedded.engine import Engine
    from kiwi_engine.embedded.options import Options
    from kiwi_engine.embedded.snapshot import Snapshot
    from kiwi_engine.embedded.statistics import Statistics
    from kiwi_engine.embedded.transaction import Transaction
    from kiwi_engine.engine.backup.job import BackupReport
    from kiwi_engine.errors import (
        BackupError,
        ConfigError,
        CorruptionError,
        DiskFullError,
        EngineClosedError,
        EnginePoisonedError,
        KiwiError,
        LayoutError,
        LockedError,
        TransactionConflictError,
        UnknownOutcomeError,
    )

__version__ = VERSION

__all__ = [
    "BackupError",
    "BackupReport",
    "ConfigError",
    "CorruptionError",
    "DiskFullError",
    "Engine",
    "EngineClosedError",
    "EnginePoisonedError",
    "KiwiError",
    "LayoutError",
    "LockedError",
    "Snapshot",
    "Statistics",
    "Transaction",
    "TransactionConflictError",
    "UnknownOutcomeError",
    "WriteBatch",
    "open",
]

_MODULES = {
    "BackupReport": "kiwi_engine.engine.backup.job",
    "Engine": "kiwi_engine.embedded.engine",
    "Snapshot": "kiwi_engine.embedded.snapshot",
    "Statistics": "kiwi_engine.embedded.statistics",
    "Transaction": "kiwi_engine.embedded.transaction",
    "WriteBatch": "kiwi_engine.embedded.batch",
}


def open(path: str | os.PathLike[str], **options: Unpack[Options]) -> Engine:  # noqa: A001 - as in dbm.open
    """Open the data directory `path`, created if missing.

    Options are the engine's settings with underscores (docs/embedded.md). Raises `ConfigError`,
    `LockedError` while another process or engine has it, `LayoutError` if another version wrote
    it, `CorruptionError` if it is damaged; the directory is as it was then.
    """
    from kiwi_engine.embedded.engine import Engine

    return Engine(path, options)


def __getattr__(name: str) -> Any:
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(_MODULES.get(name, "kiwi_engine.errors")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
