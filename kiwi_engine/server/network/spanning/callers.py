"""A client of one network process, as another one sees it that runs a command for it (pure)."""

from __future__ import annotations

import msgspec

from kiwi_engine.server.network.session import Session


class Caller(msgspec.Struct, array_like=True, frozen=True):
    """What handlers of spanning commands may ask of a session."""

    id: int
    resp3: bool


def caller_of(session: Session) -> Caller:
    """What another process is to know of `session`."""
    return Caller(session.id, session.resp3)


def stand_in(caller: Caller) -> Session:
    """A session for handlers; what they change in it is lost."""
    session = Session(caller.id, "", "", 0, authenticated=True)
    session.resp3 = caller.resp3
    return session
