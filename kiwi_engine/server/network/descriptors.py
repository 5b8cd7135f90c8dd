"""File descriptors for as many clients as `maxclients` allows (shell: the limit of the process).

As in Redis the limit is raised as far as the system lets it be. Where that is not enough the server
starts with fewer clients and says so, and `CONFIG SET maxclients` refuses and tells what would do.
"""

from __future__ import annotations

import contextlib
import logging
import resource
from collections.abc import Collection
from typing import Final

import msgspec

from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ConfigError

logger = logging.getLogger(__name__)

# Listeners, the channel, the log, and connections that are accepted only to be turned away.
_BESIDE_CLIENTS: Final = 64
# RocksDB's tables and the logs: they come on top in one process; another inherits the limit.
_STORAGE_FILES: Final = 1100
# The supervisor's ends of its link and its doorway, and what it takes to start it.
_FILES_OF_A_WORKER: Final = 8


def fit_to_descriptors(settings: Settings) -> Settings:
    """Raise the limit for `maxclients`; the settings, with fewer clients if it is not enough.

    `ConfigError` if there is no room for a single one.
    """
    fitting = _fitting(settings)
    if fitting >= settings.maxclients:
        return settings
    beside = _beside(settings)
    if fitting < 1:
        raise ConfigError(
            [f"the limit of open files (ulimit -n) must be {beside + 1} at least to serve anybody"]
        )
    logger.warning(
        "maxclients is %d instead of %d, because no more than %d files may be open: raise ulimit "
        "-n (LimitNOFILE) for more",
        fitting,
        settings.maxclients,
        fitting + beside,
    )
    return msgspec.structs.replace(settings, maxclients=fitting)


def refuse_too_many_clients(settings: Settings, names: Collection[str]) -> tuple[str, str] | None:
    """Why `CONFIG SET` of these names may not put `settings` in force, with the name to blame."""
    if "maxclients" not in names:
        return None
    fitting = _fitting(settings)
    if fitting >= settings.maxclients:
        return None
    return "maxclients", (
        "The operating system is not able to handle the specified number of clients, try with "
        f"{fitting}"
    )


def raise_limit(wanted: int) -> int:
    """Let so many files be open, or as many as may be; how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # Only a privileged process may raise the hard limit, and only up to the system's.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
            return wanted
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else soft


def _fitting(settings: Settings) -> int:
    """How many clients there is room for, once the limit is raised for `maxclients`."""
    wanted = settings.maxclients + _BESIDE_CLIENTS + _STORAGE_FILES
    return raise_limit(wanted) - _beside(settings)


def _beside(settings: Settings) -> int:
    """Descriptors that the process needs for other things than clients."""
    is_single = settings.runtime_mode == "single"
    workers = (settings.network_threads - 1) * _FILES_OF_A_WORKER
    return _BESIDE_CLIENTS + workers + (_STORAGE_FILES if is_single else 0)
