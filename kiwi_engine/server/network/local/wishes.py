"""Telling the storage runtime what clients want, before they are told that they have it (glue).

What one network process tells the storage runtime can be overtaken by a command that another one
sends a little later. So a client whose reply says that something holds from now on waits for both.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from kiwi_engine.errors import KiwiError
from kiwi_engine.server.network.facade import ServerFacade

# Longer only while the storage runtime hangs or is started: then nobody is served in the meantime.
_PATIENCE_S: Final = 1.0


async def tell_storage(facade: ServerFacade, method: str, parameters: dict[str, Any]) -> None:
    """A query that may be repeated; a storage runtime that is down is told when it comes."""
    with contextlib.suppress(KiwiError, TimeoutError):
        await asyncio.wait_for(facade.query(method, parameters), _PATIENCE_S)
