"""What is said about a setting, and the sections they stand in (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from kiwi_engine.config.kinds import Kind

KB: Final = 1024
MB: Final = 1024**2
GB: Final = 1024**3
INT_MAX: Final = 2**31 - 1
HOUR_MS: Final = 3_600_000

NETWORK: Final = "Network"
ACCESS: Final = "Access control"
DURABILITY: Final = "Durability and group commit"
STORAGE: Final = "Log, value log and index"
THROTTLE: Final = "Backpressure"
BACKUP: Final = "Backup and archive"
TYPES: Final = "Data types"
LATENCY: Final = "Latency"
CHANNEL: Final = "Channel between the processes"
LIFECYCLE: Final = "Processes and their health"
RUNTIME: Final = "Memory, threads and scripts"
SERVER: Final = "Server"

# In the order in which Redis lists them.
SyncMode = Literal["everysec", "always", "no"]
LogLevel = Literal["debug", "verbose", "notice", "warning"]
DebugAccess = Literal["no", "yes", "local"]
BlockCompression = Literal["lz4", "zstd"]
RuntimeMode = Literal["dual", "single"]
ChannelAccess = Literal["allchannels", "resetchannels"]


@dataclass(frozen=True)
class Row:
    """What is said about a key. `runtime`: `CONFIG SET` may change it. `redis`: a key of Redis.

    `alias` is a second name, an older one of Redis'.
    """

    section: str
    kind: Kind
    help: str
    runtime: bool = False
    redis: bool = False
    alias: str = ""
