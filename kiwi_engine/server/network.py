"""The network runtime: listeners, connections, and the facts that local commands ask for (shell).

One event loop owns everything here. It implements `server.facade.ServerFacade`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

import msgspec

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import KiwiError
from kiwi_engine.logs import set_level
from kiwi_engine.resp import reply
from kiwi_engine.resp.request import Limits
from kiwi_engine.server.connection import Connection
from kiwi_engine.server.facade import ServerFacts
from kiwi_engine.server.session import Session
from kiwi_engine.server.statistics import NetworkStatistics
from kiwi_engine.server.storage_client import StorageClient
from kiwi_engine.version import VERSION

logger = logging.getLogger(__name__)

_SWEEP_INTERVAL_S: Final = 0.1
# An MSET of inline values is one log record, whose payload may be 1 GiB long with its overhead.
_COMMAND_BYTES_MAX: Final = 768 * 1024 * 1024
# Beside its one large argument, e.g. the key of a SET.
_COMMAND_OVERHEAD_BYTES: Final = 1024 * 1024
_DEBUG_REFUSAL: Final = reply.error(
    'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you '
    "can run it from a local connection, otherwise you need to set this option in the "
    "configuration file, and then restart the server."
)


class NetworkRuntime:
    """Serves clients until `stop`. `on_shutdown` is called when a client asks for the end."""

    def __init__(
        self,
        config: LiveConfig,
        storage: StorageClient,
        config_file: str,
        on_shutdown: Callable[[], None],
    ) -> None:
        self.config = config
        self.storage = storage
        self.statistics = NetworkStatistics()
        settings = config.settings
        self.facts = ServerFacts(
            kiwi_version=VERSION,
            run_id=secrets.token_hex(20),
            runtime_mode=settings.runtime_mode,
            tcp_port=settings.port,
            executable=sys.executable,
            config_file=config_file,
            process_id=os.getpid(),
            network_process_id=os.getpid(),
            storage_process_id=None,
            started_ns=monotonic_ns(),
        )
        self._on_shutdown = on_shutdown
        self._connections: dict[int, Connection] = {}
        self._next_session_id = 1
        self._servers: list[asyncio.Server] = []
        self._all_gone = asyncio.Event()
        self._sweep: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        config.subscribe(self._settings_changed)

    # ---- life

    async def bind(self) -> None:
        """Take all addresses without listening yet; `OSError` if one of them is taken."""
        settings = self.config.settings
        for address in settings.bind:
            server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self),
                address,
                settings.port,
                backlog=settings.tcp_backlog,
                start_serving=False,
            )
            self._servers.append(server)

    async def start(self) -> None:
        """Listen: from now on clients are served."""
        loop = asyncio.get_running_loop()
        for server in self._servers:
            await server.start_serving()
            for handle in server.sockets:
                logger.info("ready to accept connections on %s:%d", *handle.getsockname()[:2])
        self._sweep = loop.call_later(_SWEEP_INTERVAL_S, self._sweep_now)

    async def stop(self, deadline_s: float) -> None:
        """Accept nothing more, let what was accepted be answered, close all connections."""
        for server in self._servers:
            server.close()
        for connection in list(self._connections.values()):
            connection.stop_reading()
            connection.close_when_answered()
        if self._connections:
            self._start(self._tell_storage("finish_runs", {}))
            self._all_gone.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_gone.wait(), deadline_s)
        for connection in list(self._connections.values()):
            connection.abort()
        if self._sweep is not None:
            self._sweep.cancel()

    def _sweep_now(self) -> None:
        """Ten times a second: deadlines, idle clients, rates."""
        now_ns = monotonic_ns()
        self.storage.expire(now_ns)
        self.statistics.sample(now_ns)
        timeout_ns = self.config.settings.timeout * 1_000_000_000
        if timeout_ns:
            for connection in list(self._connections.values()):
                idle_ns = now_ns - connection.session.last_interaction_ns
                if idle_ns > timeout_ns and connection.is_answered:
                    connection.abort()
        loop = asyncio.get_running_loop()
        self._sweep = loop.call_later(_SWEEP_INTERVAL_S, self._sweep_now)

    # ---- connections

    def admit(self, connection: Connection, transport: asyncio.Transport) -> Session | None:
        """A session for a new connection, or None if there are `maxclients` already."""
        settings = self.config.settings
        self.statistics.connections_received += 1
        if len(self._connections) >= settings.maxclients:
            self.statistics.connections_rejected += 1
            return None
        handle = transport.get_extra_info("socket")
        _tune(handle, settings.tcp_keepalive)
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        session = Session(
            self._next_session_id,
            f"{peer[0]}:{peer[1]}",
            f"{local[0]}:{local[1]}",
            monotonic_ns(),
            authenticated=not settings.requirepass,
            file_descriptor=handle.fileno(),
            is_local=peer[0].startswith("127.") or peer[0] == "::1",
        )
        self._next_session_id += 1
        self._connections[session.id] = connection
        return session

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        session = getattr(connection, "session", None)
        if session is not None:
            self._connections.pop(session.id, None)
            if not self._connections:
                self._all_gone.set()

    def limits(self, session: Session) -> Limits:
        """What the client of `session` may send."""
        settings = self.config.settings
        is_known = session.authenticated or not settings.requirepass
        bulk_bytes_max = settings.proto_max_bulk_len
        return Limits(
            bulk_bytes_max=bulk_bytes_max,
            command_bytes_max=max(_COMMAND_BYTES_MAX, bulk_bytes_max + _COMMAND_OVERHEAD_BYTES),
            authenticated=is_known,
        )

    def refuse(self, session: Session, words: list[bytes]) -> bytes | None:
        """The reply to a command that is switched off, or None."""
        if words[0].lower() != b"debug":
            return None
        allowed = self.config.settings.enable_debug_command
        if allowed == "yes" or (allowed == "local" and session.is_local):
            return None
        return _DEBUG_REFUSAL

    # ---- what local commands ask for (ServerFacade)

    def sessions(self) -> Iterable[Session]:
        return [connection.session for connection in self._connections.values()]

    def buffers(self, session: Session) -> tuple[int, int]:
        return self._connections[session.id].buffered_bytes()

    def kill(self, session: Session) -> None:
        connection = self._connections.get(session.id)
        if connection is not None:
            connection.abort()

    async def query(self, method: str, parameters: dict[str, Any]) -> Any:
        return await self.storage.query(method, parameters)

    def network_sections(self) -> dict[str, dict[str, Any]]:
        return {"channel": self.storage.facts()}

    def request_shutdown(self) -> None:
        self._on_shutdown()

    # ---- settings

    def _settings_changed(self, old: Settings, new: Settings) -> None:
        if old.loglevel != new.loglevel:
            set_level(new.loglevel)
        self.storage.configure(new)
        for connection in self._connections.values():
            connection.refresh_limits()
        self.storage.change_settings(changed_fields(old, new))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell_storage(self, method: str, parameters: dict[str, Any]) -> None:
        try:
            await self.storage.query(method, parameters)
        except KiwiError as error:
            logger.warning("the storage runtime did not do %s: %s", method, error)


def changed_fields(old: Settings, new: Settings) -> dict[str, Any]:
    """The fields of `new` that differ from `old`."""
    before, after = msgspec.structs.asdict(old), msgspec.structs.asdict(new)
    return {name: value for name, value in after.items() if value != before[name]}


def _tune(handle: socket.socket, keepalive_s: int) -> None:
    """No delay for replies; ask silent peers whether they are there, as Redis does."""
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if keepalive_s:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive_s)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, keepalive_s // 3))
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
