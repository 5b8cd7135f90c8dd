"""The queries that do not wait for their turn (pure).

All others are carried out behind the runs that were sent before them.
"""

from __future__ import annotations

from typing import Final

# Is anybody there?
PING: Final = "ping"
# What the storage runtime tells of itself, for INFO.
STATS: Final = "stats"
# They change nothing, so they may be answered at any moment: also while a script runs.
ANSWERED_AT_ONCE: Final = frozenset((PING, STATS))
