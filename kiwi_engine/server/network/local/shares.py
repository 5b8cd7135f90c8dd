"""What network workers do for commands that are not simply run there once more (pure table)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.server.network.local.acl import load_share, users_loaded
from kiwi_engine.server.network.local.config import resetstat_share
from kiwi_engine.server.network.local.memory import purge_share
from kiwi_engine.server.network.spanning.spanning import Share

SHARES: Final[dict[str, Share]] = {
    "acl|load": Share(load_share, users_loaded),
    "config|resetstat": Share(resetstat_share),
    "memory|purge": Share(purge_share),
}
