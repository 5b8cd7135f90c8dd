"""Commands that the network runtime answers without the storage runtime."""

from kiwi_engine.server.network.local.dispatcher import (
    HANDLERS,
    dispatch,
    is_locked_out,
    judge,
    reject,
    run,
)

__all__ = ["HANDLERS", "dispatch", "is_locked_out", "judge", "reject", "run"]
