"""What requests are answered that storage does not answer (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.channel.frames import RunFlags
from kiwi_engine.commands.registry import lookup
from kiwi_engine.commands.timeouts import parse_milliseconds, parse_seconds
from kiwi_engine.errors import ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.lost_runs import UNKNOWN_OUTCOME, is_read
from kiwi_engine.server.network.slots import Slot

TIMED_OUT: Final = reply.error("TIMEOUT the storage runtime did not answer in time")
# LOADING is what clients know as "not executed, and worth another attempt a little later".
_REFUSAL: Final = "LOADING the storage runtime does not answer; not executed, try again later"
REFUSED: Final = reply.error(_REFUSAL)
# A blocking command is sent within moments unless storage is down; until it was executed once,
# nobody knows that there is nothing for it, however short its timeout.
_UNSENT_PATIENCE_MS: Final = 1000
REFUSED_TRANSACTION: Final = reply.error(f"EXECABORT Transaction discarded because of: {_REFUSAL}")
RETRIED_TOO_OFTEN: Final = reply.error(
    "ERR the storage runtime stopped each time that this was asked; it is not asked again"
)


def when_timed_out(slot: Slot, *, sent: bool) -> bytes:
    """What a run is answered at its deadline; `sent`: its writes may have been made."""
    answers = [
        UNKNOWN_OUTCOME if sent and not is_read(words) else TIMED_OUT for words in slot.commands
    ]
    if slot.is_unit:
        return UNKNOWN_OUTCOME if UNKNOWN_OUTCOME in answers else TIMED_OUT
    return b"".join(answers)


def when_refused(slot: Slot) -> bytes:
    """What a run is answered that the circuit breaker does not let through."""
    return REFUSED_TRANSACTION if slot.is_unit else REFUSED * len(slot.commands)


def is_patience_over(slot: Slot, now_ns: int, now_ms: int) -> bool:
    """Whether the client of a blocking run that was never sent has waited as long as it would.

    It waits for a second in any case.

    What cannot be parsed is left to the storage runtime, which has the right error for it.
    """
    try:
        timeout_ms = _timeout_ms(slot.commands[0], now_ms)
    except (ReplyError, IndexError):
        return False
    patience_ms = max(timeout_ms, _UNSENT_PATIENCE_MS)
    return timeout_ms > 0 and slot.arrived_ns + patience_ms * 1_000_000 <= now_ns


def _timeout_ms(words: list[bytes], now_ms: int) -> int:
    """0: it waits for ever."""
    command = lookup(words[0])
    name = "" if command is None else command.name
    if name in ("xread", "xreadgroup"):
        lower = [word.lower() for word in words]
        return parse_milliseconds(words[lower.index(b"block") + 1], now_ms)
    return parse_seconds(words[1 if name in ("blmpop", "bzmpop") else -1], now_ms)


def when_patience_is_over(slot: Slot) -> bytes:
    """What all blocking commands are answered when they have waited in vain."""
    return reply.null_array(slot.resp3)


def ends_watch(slot: Slot) -> bool:
    """Whether its connection is to watch nothing any more behind this run."""
    return slot.is_unit or any(words[0].lower() == b"unwatch" for words in slot.commands)


def is_blocking(slot: Slot) -> bool:
    """Whether a run may wait for other clients."""
    return slot.flags & RunFlags.BLOCKING != 0
