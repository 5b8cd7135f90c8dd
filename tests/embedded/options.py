"""Options that make everything happen all the time."""

from __future__ import annotations

from typing import Any, Final

TINY: Final[dict[str, Any]] = {
    "memory": "8MB",
    "disk_reserve": 0,
    "value_threshold": 64,
    "value_log_segment_size": "8kb",
    "wal_segment_size": "16kb",
    "wal_retained_max": "32kb",
    "drain_max_entries": 20,
    "drain_interval": "5ms",
    "rocksdb_write_buffer_size": "64kb",
}
