"""Free TCP ports on 127.0.0.1 (shell)."""

from __future__ import annotations

import random
import socket
from typing import Final

# Below the range from which the kernel takes the local ports of outgoing connections: a client that
# connects to a port of that range while its server restarts can end up connected to itself.
FIRST: Final = 20_000
LAST: Final = 32_000

# Seeded by the system: parallel test runs must not try the same ports in the same order.
_random = random.SystemRandom()


def free_port() -> int:
    """A port that nobody listens on now."""
    while True:
        port = _random.randint(FIRST, LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
