"""Which errors say that the disk is full (pure)."""

from __future__ import annotations

import errno
from typing import Final

from kiwi_engine.errors import DiskFullError, IndexFullError

_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def lacks_space(error: BaseException) -> bool:
    """Whether what failed may be tried again when disk space was freed."""
    if isinstance(error, DiskFullError | IndexFullError):
        return True
    return isinstance(error, OSError) and error.errno in _NO_SPACE


def full_disk(error: BaseException) -> DiskFullError:
    """What clients are told while `error` keeps writes from being accepted."""
    if isinstance(error, DiskFullError):
        return error
    return DiskFullError(f"the disk is full ({error})")
