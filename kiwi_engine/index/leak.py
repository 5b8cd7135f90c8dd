"""Objects that must never be freed (shell).

A forked child has copies of RocksDB's objects, but none of its threads. Their destructors would
wait for those, or write the files of the parent.
"""

from __future__ import annotations

import ctypes


def leak(thing: object) -> None:
    """Keep `thing` for ever, also while the interpreter shuts down."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
