"""Random scripts for `tests.support.transcripts`, whose outcome has but one order (pure).

Redis tells several channels, and serves several patterns, in no order: so patterns never match the
same channel, and UNSUBSCRIBE without names is sent where there is at most one.
"""

from __future__ import annotations

from random import Random
from typing import Final

CONNECTIONS: Final = ("a", "b", "c3", "d3")
_CHANNELS: Final = ("a1", "a2", "b1", "b2")
_PATTERNS: Final = ("a*", "b*", "?x")
_STEPS: Final = 60
_COMMANDS_MAX: Final = 5
# Of all pipelines.
_SHARE_OF_TRANSACTIONS: Final = 0.2
_SHARE_OF_SILENT: Final = 0.1


def random_script(seed: int) -> str:
    """The same script for the same seed."""
    random = Random(seed)
    return "\n".join(
        f"{random.choice(CONNECTIONS)}: {'; '.join(_pipeline(random))}" for _ in range(_STEPS)
    )


def _pipeline(random: Random) -> list[str]:
    commands = [_command(random) for _ in range(random.randint(1, _COMMANDS_MAX))]
    kind = random.random()
    if kind < _SHARE_OF_TRANSACTIONS:
        return ["MULTI", *commands, "EXEC"]
    if kind < _SHARE_OF_TRANSACTIONS + _SHARE_OF_SILENT:
        # A subscriber in RESP2 may not switch replies: that does not leave it switched off, either.
        return ["CLIENT REPLY OFF", *commands, "UNSUBSCRIBE a1 a2 b1 b2", "PUNSUBSCRIBE a* b* ?x",
                "SUNSUBSCRIBE a1 a2 b1 b2", "CLIENT REPLY ON"]  # fmt: skip
    return commands


def _command(random: Random) -> str:
    channel, pattern = random.choice(_CHANNELS), random.choice(_PATTERNS)
    several = " ".join(random.choices(_CHANNELS, k=random.randint(1, 3)))
    return random.choice(
        (
            f"SUBSCRIBE {several}",
            f"UNSUBSCRIBE {several}",
            f"PSUBSCRIBE {pattern}",
            f"PUNSUBSCRIBE {pattern}",
            f"SSUBSCRIBE {several}",
            f"SUNSUBSCRIBE {several}",
            f"PUBLISH {channel} {random.randint(0, 99)}",
            f"PUBLISH {channel} {random.randint(0, 99)}",
            f"SPUBLISH {channel} {random.randint(0, 99)}",
            f"PUBSUB NUMSUB {several}",
            f"PUBSUB SHARDNUMSUB {several}",
            f"PUBSUB CHANNELS {channel}",
            "PUBSUB NUMPAT",
            "PING hello",
            "INCR counter",
            "GET counter",
        )
    )
