"""Answering commands without the storage runtime (glue).

`judge` decides whether a command may be run at all, `run` answers those that storage need not see.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final

from kiwi_engine import clock
from kiwi_engine.commands.resolve import Resolved, check_arity, resolve
from kiwi_engine.errors import KiwiError, ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.acl import HANDLERS as ACL
from kiwi_engine.server.network.local.client import HANDLERS as CLIENT
from kiwi_engine.server.network.local.command import HANDLERS as COMMAND
from kiwi_engine.server.network.local.config import HANDLERS as CONFIG
from kiwi_engine.server.network.local.connection import HANDLERS as CONNECTION
from kiwi_engine.server.network.local.denials import find_denial
from kiwi_engine.server.network.local.handler import Answer, Handler
from kiwi_engine.server.network.local.info import HANDLERS as INFO
from kiwi_engine.server.network.local.kiwi import HANDLERS as KIWI
from kiwi_engine.server.network.local.latency import HANDLERS as LATENCY
from kiwi_engine.server.network.local.memory import HANDLERS as MEMORY
from kiwi_engine.server.network.local.monitor import HANDLERS as MONITOR
from kiwi_engine.server.network.local.pausing import HANDLERS as PAUSING
from kiwi_engine.server.network.local.pubsub import HANDLERS as PUBSUB
from kiwi_engine.server.network.local.pubsub import check_subscriber
from kiwi_engine.server.network.local.save import HANDLERS as SAVE
from kiwi_engine.server.network.local.server import HANDLERS as SERVER
from kiwi_engine.server.network.local.slowlog import HANDLERS as SLOWLOG
from kiwi_engine.server.network.local.tracking import HANDLERS as TRACKING
from kiwi_engine.server.network.local.waiting import HANDLERS as WAITING
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.spanning.combine import is_error
from kiwi_engine.server.network.spanning.rules import RULES
from kiwi_engine.server.network.spanning.spanning import Spanning
from kiwi_engine.server.network.statistics import CommandStatistics

NOAUTH_TEXT: Final = "NOAUTH Authentication required."
_EXEC_ABORTED: Final = "EXECABORT Transaction discarded because of: "

# By full name, e.g. `client|list`.
HANDLERS: Final[dict[str, Handler]] = {
    **ACL,
    **CONNECTION,
    **CLIENT,
    **COMMAND,
    **CONFIG,
    **INFO,
    **KIWI,
    **MONITOR,
    **LATENCY,
    **MEMORY,
    **PUBSUB,
    **SAVE,
    **SERVER,
    **TRACKING,
    **PAUSING,
    **WAITING,
    **SLOWLOG,
}


def is_locked_out(facade: ServerFacade, session: Session) -> bool:
    """Whether the client must log in before it may do anything else."""
    return not session.authenticated and facade.acl.needs_login


def judge(facade: ServerFacade, session: Session, arguments: list[bytes]) -> Resolved:
    """The command that is called; `ReplyError` if it may not be run, which is counted.

    Checks in the order of Redis: existence, arity, login, permission, what subscribers may do.
    """
    resolved: Resolved | None = None
    try:
        resolved = resolve(arguments)
        session.last_command = resolved.name
        check_arity(resolved, len(arguments))
        if "no_auth" not in resolved.row.flags and is_locked_out(facade, session):
            raise ReplyError(NOAUTH_TEXT)
        denied = find_denial(facade, session, resolved, arguments)
        if denied is not None:
            raise ReplyError(denied.error)
        check_subscriber(session, resolved.name)
    except ReplyError as error:
        if resolved is not None and resolved.name == "exec":
            error = ReplyError(_EXEC_ABORTED + error.text.removeprefix("ERR "))
        reject(facade, resolved, error)
        raise error
    return resolved


def reject(facade: ServerFacade, resolved: Resolved | None, error: ReplyError) -> None:
    """Count a command that is refused before it is run."""
    if resolved is not None:
        facade.statistics.of_command(resolved.name).rejected_calls += 1
    facade.statistics.count_error(error.text)


def run(
    facade: ServerFacade, session: Session, resolved: Resolved, arguments: list[bytes]
) -> Answer:
    """Answer a command of the network runtime. Never raises `ReplyError`."""
    assert resolved.row.where == "network", f"{resolved.name} is for the storage runtime"
    name = resolved.name
    counters = facade.statistics.of_command(name)
    if facade.spanning is not None and name in RULES:
        spanned = _span(facade.spanning, facade, session, resolved, arguments)
        return _finish(facade, spanned, counters)
    started_ns = clock.perf_counter_ns()
    try:
        answer = HANDLERS[name](facade, session, arguments)
    except ReplyError as error:
        return _failed(facade, counters, error)
    finally:
        duration_ns = clock.perf_counter_ns() - started_ns
        counters.ran(duration_ns)
        facade.latency.ran(session, resolved, arguments, duration_ns)
    return answer if isinstance(answer, bytes) else _finish(facade, answer, counters)


async def _span(
    spanning: Spanning,
    facade: ServerFacade,
    session: Session,
    resolved: Resolved,
    arguments: list[bytes],
) -> bytes:
    """Answer a command that concerns all network processes; counted when it is done."""
    run_ns = 0
    try:
        encoded, run_ns = await spanning.answer(session, resolved.name, arguments)
    finally:
        facade.statistics.of_command(resolved.name).ran(run_ns)
        facade.latency.ran(session, resolved, arguments, run_ns)
    if is_error(encoded):
        raise ReplyError(encoded[1:-2].decode("utf-8", "surrogateescape"))
    return encoded


def dispatch(facade: ServerFacade, session: Session, arguments: list[bytes]) -> Answer:
    """Judge and answer a command; never raises `ReplyError`: an error is a reply."""
    try:
        resolved = judge(facade, session, arguments)
    except ReplyError as error:
        return reply.error(error.text)
    return run(facade, session, resolved, arguments)


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
