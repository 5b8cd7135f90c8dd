"""Answering commands without the storage runtime (glue).

`dispatch` answers everything that storage need not see: the commands of
`commands.server.connection_table`, and requests that are refused before they are run.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final

from kiwi_engine import clock
from kiwi_engine.commands.resolve import check_arity, resolve
from kiwi_engine.errors import KiwiError, ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.server.facade import ServerFacade
from kiwi_engine.server.local.client import HANDLERS as CLIENT
from kiwi_engine.server.local.command import HANDLERS as COMMAND
from kiwi_engine.server.local.config import HANDLERS as CONFIG
from kiwi_engine.server.local.connection import HANDLERS as CONNECTION
from kiwi_engine.server.local.handler import Answer, Handler
from kiwi_engine.server.local.info import HANDLERS as INFO
from kiwi_engine.server.local.kiwi import HANDLERS as KIWI
from kiwi_engine.server.local.save import HANDLERS as SAVE
from kiwi_engine.server.local.server import HANDLERS as SERVER
from kiwi_engine.server.session import Session
from kiwi_engine.server.statistics import CommandStatistics

NOAUTH_TEXT: Final = "NOAUTH Authentication required."

# By full name, e.g. `client|list`.
HANDLERS: Final[dict[str, Handler]] = {
    **CONNECTION,
    **CLIENT,
    **COMMAND,
    **CONFIG,
    **INFO,
    **KIWI,
    **SAVE,
    **SERVER,
}


def is_locked_out(facade: ServerFacade, session: Session) -> bool:
    """Whether the client must log in before it may do anything else."""
    return not session.authenticated and facade.config.get("requirepass") != ""


def dispatch(facade: ServerFacade, session: Session, arguments: list[bytes]) -> Answer:
    """Answer one command; also for unknown ones, and for all of a client that is locked out.

    Never raises `ReplyError`: an error is a reply. Checks in the order of Redis: existence, arity,
    login.
    """
    statistics = facade.statistics
    counters: CommandStatistics | None = None
    try:
        resolved = resolve(arguments)
        counters = statistics.of_command(resolved.name)
        session.last_command = resolved.name
        check_arity(resolved, len(arguments))
        if "no_auth" not in resolved.row.flags and is_locked_out(facade, session):
            raise ReplyError(NOAUTH_TEXT)
    except ReplyError as error:
        if counters is not None:
            counters.rejected_calls += 1
        statistics.count_error(error.text)
        return reply.error(error.text)
    assert resolved.row.where == "network", f"{resolved.name} is for the storage runtime"
    return _run(facade, session, arguments, HANDLERS[resolved.name], counters)


def _run(
    facade: ServerFacade,
    session: Session,
    arguments: list[bytes],
    handler: Handler,
    counters: CommandStatistics,
) -> Answer:
    started_ns = clock.perf_counter_ns()
    counters.calls += 1
    try:
        answer = handler(facade, session, arguments)
    except ReplyError as error:
        return _failed(facade, counters, error)
    finally:
        counters.nanoseconds += clock.perf_counter_ns() - started_ns
    return answer if isinstance(answer, bytes) else _finish(facade, answer, counters)


async def _finish(
    facade: ServerFacade, answer: Coroutine[Any, Any, bytes], counters: CommandStatistics
) -> bytes:
    try:
        return await answer
    except ReplyError as error:
        return _failed(facade, counters, error)
    except KiwiError as error:
        # The storage runtime is down or did not answer in time.
        return _failed(facade, counters, ReplyError(f"ERR {error}"))


def _failed(facade: ServerFacade, counters: CommandStatistics, error: ReplyError) -> bytes:
    counters.failed_calls += 1
    facade.statistics.count_error(error.text)
    return reply.error(error.text)
