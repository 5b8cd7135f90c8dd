"""Settings of how clients reach the server (pure)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from kiwi_engine.config.kinds import Integer, Words
from kiwi_engine.config.rows import NETWORK, Row


class TransportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses, and the connections as the system sees them."""

    # --- Network ---
    port: Annotated[
        int, Row(NETWORK, Integer(1, 65535), "TCP port on which clients connect.", redis=True)
    ] = 7379
    bind: Annotated[
        tuple[str, ...],
        Row(
            NETWORK,
            Words(),
            "Addresses to listen on. A server that others can reach should set requirepass.",
            redis=True,
        ),
    ] = ("127.0.0.1",)
    tcp_backlog: Annotated[
        int,
        Row(NETWORK, Integer(1, 65535), "Connections that may wait to be accepted.", redis=True),
    ] = 511
    tcp_keepalive: Annotated[
        int,
        Row(
            NETWORK,
            Integer(0, 86400, "seconds"),
            "Idle seconds after which the kernel probes a client that may be gone; 0: never.",
            redis=True,
        ),
    ] = 300
