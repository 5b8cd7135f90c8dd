"""Logging in, for AUTH and HELLO (pure but for the session)."""

from __future__ import annotations

import hmac
from typing import Final

from kiwi_engine.errors import ReplyError
from kiwi_engine.server.facade import ServerFacade
from kiwi_engine.server.session import Session

_USER: Final = b"default"
WRONG_PASSWORD: Final = "WRONGPASS invalid username-password pair or user is disabled."
NO_PASSWORD_SET: Final = (
    "ERR AUTH <password> called without any password configured for the default user. "
    "Are you sure your configuration is correct?"
)


def password_of(facade: ServerFacade) -> bytes:
    """The password that clients must know; empty if none is asked for."""
    return facade.config.get("requirepass").encode("utf-8", "surrogateescape")


def log_in(facade: ServerFacade, session: Session, user: bytes, password: bytes) -> None:
    """Make `session` an authenticated one, or raise `ReplyError` and change nothing.

    While no password is set, the user `default` may log in with any, as in Redis.
    """
    expected = password_of(facade)
    # The time this takes must not tell how much of the password was right.
    is_right = not expected or hmac.compare_digest(password, expected)
    if user != _USER or not is_right:
        raise ReplyError(WRONG_PASSWORD)
    session.user = user.decode()
    session.authenticated = True
