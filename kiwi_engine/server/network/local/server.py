"""TIME and SHUTDOWN (glue)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.clock import wall_us
from kiwi_engine.commands.arguments import SYNTAX
from kiwi_engine.errors import KiwiError, ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.handler import Answer, Handler
from kiwi_engine.server.network.local.save import save_before_shutdown
from kiwi_engine.server.network.session import Session

_SHUTDOWN_OPTIONS: Final = {b"nosave", b"save", b"now", b"force", b"abort"}


def time_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """Seconds since the Unix epoch, and the microseconds of the current one."""
    seconds, microseconds = divmod(wall_us(), 1_000_000)
    return reply.bulk_array([b"%d" % seconds, b"%d" % microseconds])


def shutdown(facade: ServerFacade, session: Session, arguments: list[bytes]) -> Answer:
    """The connection closes without a reply, as in Redis.

    SAVE makes a backup first (see BGSAVE), and without FORCE goes on only if that was made.
    Nothing else needs saving: every acknowledged write is in the log already, and there are no
    replicas to wait for. A stop that has begun cannot be taken back, and no command is read any
    more then, so ABORT always comes too early.
    """
    options = {word.lower() for word in arguments[1:]}
    if not options <= _SHUTDOWN_OPTIONS or {b"save", b"nosave"} <= options:
        raise ReplyError(SYNTAX)
    if b"abort" in options:
        if options != {b"abort"}:
            raise ReplyError(SYNTAX)
        raise ReplyError("ERR No shutdown in progress.")
    if b"save" in options:
        return _save_and_shut_down(facade, force=b"force" in options)
    facade.request_shutdown()
    return b""


async def _save_and_shut_down(facade: ServerFacade, *, force: bool) -> bytes:
    try:
        await save_before_shutdown(facade)
    except KiwiError:
        if not force:
            raise
    facade.request_shutdown()
    return b""


HANDLERS: Final[dict[str, Handler]] = {"time": time_, "shutdown": shutdown}
