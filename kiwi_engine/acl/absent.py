"""Commands of Redis that this server does not have (pure data).

Rules may name them without effect, because the files that people bring along do: `-migrate` and
`-cluster` stand in many of them.
"""

from __future__ import annotations

from typing import Final

ABSENT: Final = frozenset(
    (
        "asking", "bgrewriteaof", "cluster", "failover", "lolwut", "migrate", "module", "psync",
        "readonly", "readwrite", "replconf", "replicaof", "role", "slaveof", "sync",
    )
)  # fmt: skip
