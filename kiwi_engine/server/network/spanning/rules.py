"""Which commands concern all network processes, and how their parts become one reply (pure).

A command that is not listed concerns its own connection only, is the same in all processes, or is
a question to the storage runtime, which each process asks by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

from kiwi_engine.server.network.spanning.combine import (
    Asked,
    any_killed,
    client_lines,
    primary_alone,
    total,
)

# Of the encoded replies of all processes, that of the primary first, makes the client's.
Combine = Callable[[list[bytes], Asked], bytes]


class Scope(Enum):
    """Where a command is run.

    PRIMARY: only there; if it needs to know something of the others, it asks them. LAST: only
    there, when all that the others have told it so far has arrived. FIRST: there, and in the others
    unless it fails there. EVERYWHERE: in all of them, and an error of one is a reply like others.
    """

    PRIMARY = "primary"
    LAST = "last"
    FIRST = "first"
    EVERYWHERE = "everywhere"


class Rule(NamedTuple):
    """How a command is carried out."""

    scope: Scope
    combine: Combine = primary_alone


_PRIMARY: Final = Rule(Scope.PRIMARY)
_LAST: Final = Rule(Scope.LAST)
_FIRST: Final = Rule(Scope.FIRST)

RULES: Final[dict[str, Rule]] = {
    # Connections.
    "client|list": Rule(Scope.EVERYWHERE, client_lines),
    "client|kill": Rule(Scope.EVERYWHERE, any_killed),
    "client|unblock": Rule(Scope.FIRST, total),
    "client|pause": _FIRST,
    "client|unpause": _FIRST,
    # Settings and users, of which each process has a copy.
    "config|set": _FIRST,
    "config|rewrite": _PRIMARY,
    "acl|setuser": _FIRST,
    "acl|deluser": _FIRST,
    "acl|load": _FIRST,
    "acl|save": _PRIMARY,
    # What the primary keeps for all.
    "acl|log": _LAST,
    "slowlog|get": _LAST,
    "slowlog|len": _LAST,
    "slowlog|reset": _LAST,
    "latency|latest": _LAST,
    "latency|history": _LAST,
    "latency|graph": _LAST,
    "latency|doctor": _LAST,
    "latency|reset": _LAST,
    # Messages: the primary knows all who get them.
    "pubsub|channels": _PRIMARY,
    "pubsub|shardchannels": _PRIMARY,
    "pubsub|numsub": _PRIMARY,
    "pubsub|shardnumsub": _PRIMARY,
    "pubsub|numpat": _PRIMARY,
    # What each process counts for itself.
    "info": _PRIMARY,
    "latency|histogram": _PRIMARY,
    "memory|stats": _PRIMARY,
    "memory|doctor": _PRIMARY,
    "memory|purge": Rule(Scope.EVERYWHERE),
    "config|resetstat": Rule(Scope.EVERYWHERE),
    "shutdown": _PRIMARY,
}
