"""As which Redis the server introduces itself (pure data).

Client libraries choose features by this version, so it names the release whose behaviour the
commands follow, not one of Kiwi Engine's own.
"""

from __future__ import annotations

from typing import Final

REDIS_VERSION: Final = "7.2.4"
SERVER_NAME: Final = "redis"
# Seen from one client: neither clustered nor watched by a sentinel, and no replica.
SERVER_MODE: Final = "standalone"
ROLE: Final = "master"
