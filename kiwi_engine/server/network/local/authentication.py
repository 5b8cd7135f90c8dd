"""Logging in, for AUTH and HELLO (pure but for the session and the log of denials)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.acl.permission import Reason
from kiwi_engine.acl.user import DEFAULT_NAME
from kiwi_engine.errors import ReplyError
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.denials import log_denial, where_of
from kiwi_engine.server.network.session import Session

WRONG_PASSWORD: Final = "WRONGPASS invalid username-password pair or user is disabled."
NO_PASSWORD_SET: Final = (
    "ERR AUTH <password> called without any password configured for the default user. "
    "Are you sure your configuration is correct?"
)


def log_in(
    facade: ServerFacade, session: Session, name: bytes, password: bytes, command: bytes
) -> None:
    """Make `session` one of the user `name`, or raise `ReplyError` and change nothing.

    A failure is logged as one of `command`, which is AUTH or HELLO as the client wrote it.
    """
    user = facade.acl.users.named(name)
    if user is None or not user.accepts(password):
        log_denial(facade, session, Reason.AUTH, command, where_of(session), name)
        raise ReplyError(WRONG_PASSWORD)
    session.user = user.name
    session.authenticated = True
    session.is_restricted = not user.allows_everything


def log_out(facade: ServerFacade, session: Session) -> None:
    """Make `session` one of `default`, logged in if that needs no password: as it was at first."""
    session.user = DEFAULT_NAME
    session.authenticated = not facade.acl.needs_login
    session.is_restricted = not facade.acl.users.default.allows_everything
