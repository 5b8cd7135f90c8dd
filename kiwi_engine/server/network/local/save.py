"""BGSAVE, SAVE, LASTSAVE and KIWI BACKUP (glue).

A save renews the backup in `backup-dir`. Texts are those of Redis 7.2.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from kiwi_engine.commands.arguments import SYNTAX
from kiwi_engine.errors import ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.handler import Handler
from kiwi_engine.server.network.session import Session

_IN_PROGRESS: Final = "ERR Background save already in progress"
_POLL_SECONDS: Final = 0.02


async def bgsave(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """SCHEDULE changes nothing: there is no other child process that a save would wait for."""
    if [word.lower() for word in arguments[1:]] not in ([], [b"schedule"]):
        raise ReplyError(SYNTAX)
    await _start_save(facade)
    return reply.simple("Background saving started")


async def save(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """Waits until the save has ended; only this connection waits."""
    await _start_save(facade)
    failure = await _end_of_backup(facade)
    if failure:
        raise ReplyError(f"ERR {failure}")
    return reply.OK


async def save_before_shutdown(facade: ServerFacade) -> None:
    """As SAVE, once a backup in progress has ended; `ReplyError` if it fails."""
    await _end_of_backup(facade)
    await _start_save(facade)
    if await _end_of_backup(facade):
        raise ReplyError("ERR Errors trying to SHUTDOWN. Check logs.")


async def lastsave(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    facts = await facade.query("save_facts", {})
    return reply.integer(facts["rdb_last_save_time"])


async def backup_start(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """`KIWI BACKUP path [INCREMENTAL]`: only for clients of this machine, whose path it is."""
    options = [word.lower() for word in arguments[3:]]
    if options not in ([], [b"incremental"]):
        raise ReplyError(SYNTAX)
    if not session.is_local:
        raise ReplyError(
            "ERR KIWI BACKUP is for clients on the server's machine; BGSAVE is for all"
        )
    try:
        target = arguments[2].decode()
    except UnicodeDecodeError:
        raise ReplyError("ERR the path is not UTF-8") from None
    await facade.query("backup_start", {"target": target, "incremental": bool(options)})
    return reply.OK


async def backup_status(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """A map of the backup in progress, and of the last one."""
    status = await facade.query("backup_status", {})
    fields: dict[str, Any] = {name: value for name, value in status.items() if name != "last"}
    fields |= {f"last_{name}": value for name, value in status["last"].items()}
    flat: list[bytes] = []
    for name, value in fields.items():
        text = str(value).encode("utf-8", "surrogateescape")
        shown = reply.integer(value) if isinstance(value, int) else reply.bulk(text)
        flat += (reply.bulk(name.encode()), shown)
    return reply.mapping(session.resp3, flat)


async def backup_cancel(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """1 if there was a backup in progress, which ends soon; else 0."""
    return reply.integer(int(await facade.query("backup_cancel", {})))


async def _end_of_backup(facade: ServerFacade) -> str:
    """Wait until no backup is in progress; why the last one failed, or "".

    Each query is answered at once, so that `request-timeout` never cuts it off.
    """
    while True:
        status = await facade.query("backup_status", {})
        if not status["in_progress"]:
            return str(status["failure"])
        await asyncio.sleep(_POLL_SECONDS)


async def _start_save(facade: ServerFacade) -> None:
    if not await facade.query("save", {}):
        raise ReplyError(_IN_PROGRESS)


HANDLERS: Final[dict[str, Handler]] = {
    "bgsave": bgsave,
    "save": save,
    "lastsave": lastsave,
    "kiwi|backup": backup_start,
    "kiwi|backup-status": backup_status,
    "kiwi|backup-cancel": backup_cancel,
}
