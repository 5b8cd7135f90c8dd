"""Denying what a user may not do, and remembering that (glue)."""

from __future__ import annotations

from kiwi_engine.acl.log import LoggedDenial, Where
from kiwi_engine.acl.permission import Denial, Reason, denial
from kiwi_engine.channel.events import Denied
from kiwi_engine.clock import monotonic_ns, wall_ms
from kiwi_engine.commands.resolve import Resolved
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.client_lines import client_line
from kiwi_engine.server.network.session import Session


def find_denial(
    facade: ServerFacade,
    session: Session,
    resolved: Resolved,
    words: list[bytes],
    where: Where | None = None,
) -> Denial | None:
    """Why the user of `session` may not call a command, which is logged; None if it may.

    `where` it is called, if that is not what `where_of` says.
    """
    if not session.is_restricted:
        return None
    denied = denial(facade.acl.user_of(session.user), words, resolved)
    if denied is not None:
        log_denial(facade, session, denied.reason, denied.subject, where or where_of(session))
    return denied


def where_of(session: Session) -> Where:
    """What ACL LOG calls the place that a command of the client comes from."""
    return Where.CLIENT if session.transaction is None else Where.TRANSACTION


def log_denial(
    facade: ServerFacade,
    session: Session,
    reason: Reason,
    subject: bytes,
    where: Where,
    user: bytes | None = None,
) -> None:
    """Remember a denial; `user` is who it was, unless it is the one of the session."""
    name = session.user.encode() if user is None else user
    client = client_line(session, monotonic_ns(), facade.buffers(session))
    facade.acl.keep_denial(LoggedDenial(reason, where, subject, name, client, wall_ms()))


def log_denied_elsewhere(facade: ServerFacade, session: Session, event: Denied) -> None:
    """Remember what the storage runtime denied to a script or a transaction."""
    where = Where.SCRIPT if event.in_script else Where.TRANSACTION
    user = event.user.encode()
    log_denial(facade, session, Reason[event.reason.upper()], event.subject, where, user)
