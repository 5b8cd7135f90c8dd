"""Who a client is on the network, and whether it is let in (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple

from kiwi_engine.config.settings import Settings
from kiwi_engine.server.network.transport.addresses import endpoint

TOO_MANY: Final = "ERR max number of clients reached"
PROTECTED: Final = (
    "DENIED Kiwi Engine is in protected mode: the default user has no password, so only clients "
    "of this machine are let in. To let others in, do one of these: 1) Set a password, with "
    "'CONFIG SET requirepass' from this machine or with requirepass in the configuration file. "
    "2) If nobody but your own clients can reach the port, switch protected mode off, with "
    "'CONFIG SET protected-mode no' from this machine, with protected-mode no in the "
    "configuration file, or with '--protected-mode no' at the start. "
    "CONFIG REWRITE makes permanent what CONFIG SET changed."
)
# What Redis shows of a client that has gone before it was asked where it is.
_UNKNOWN: Final = "?:0"


class Peer(NamedTuple):
    """Both ends as CLIENT LIST shows them; `is_local`: the client is on this machine."""

    address: str
    local_address: str
    is_local: bool
    is_unix: bool = False


def peer_of(peer_name: object, socket_name: object, unix_path: str | None) -> Peer:
    """`peer_name`, `socket_name`: what the system calls the ends of a TCP connection.

    With `unix_path` it is one over that socket; both of its ends are called by the path.
    """
    if unix_path is not None:
        return Peer(f"{unix_path}:0", f"{unix_path}:0", is_local=True, is_unix=True)
    host = peer_name[0] if isinstance(peer_name, tuple) else ""
    is_local = host.startswith("127.") or host == "::1"
    return Peer(_shown(peer_name), _shown(socket_name), is_local)


def _shown(name: object) -> str:
    return endpoint(name[0], name[1]) if isinstance(name, tuple) else _UNKNOWN


def refusal(
    settings: Settings, clients_count: int, peer: Peer, *, default_needs_password: bool
) -> str | None:
    """Why one more client is turned away, or None.

    `clients_count`: those that are connected. The order is that of Redis.
    """
    if clients_count >= settings.maxclients:
        return TOO_MANY
    if settings.protected_mode and not default_needs_password and not peer.is_local:
        return PROTECTED
    return None
