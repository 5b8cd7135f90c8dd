"""Where clients connect: addresses that are taken first, and listened on later (shell: event loop).

`CONFIG SET` may change the addresses and the certificates of a running server. It is all or
nothing: what cannot be had leaves everything as it was. Connections that exist stay in any case.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final

from kiwi_engine.channel.numbering import SOLE, Numbering
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ConfigError
from kiwi_engine.server.network.transport.addresses import (
    Address,
    addresses_of,
    change,
    clash,
    listener_lines,
)
from kiwi_engine.server.network.transport.handshakes import Handshakes
from kiwi_engine.server.network.transport.sockets import (
    check_free,
    identity_of,
    remove_own,
    take,
)
from kiwi_engine.server.network.transport.tls_context import TlsContext, make_context
from kiwi_engine.server.network.transport.tls_layer import TlsLayer

logger = logging.getLogger(__name__)

# What Redis tells the client; the log tells more.
_BIND_FAILED: Final = "Failed to bind to specified addresses."
_PORT_FAILED: Final = "Unable to listen on this port. Check server logs."
_TLS_FAILED: Final = "Unable to update TLS configuration. Check server logs."
_ADDRESS_SETTINGS: Final = ("bind", "port", "tls-port")
_TLS_PREFIX: Final = "tls-"
# Read anew for each handshake.
_TLS_TIMEOUT: Final = "tls-handshake-timeout"
# A machine that lacks IPv6, for example, does without it, as in Redis.
_UNSUPPORTED: Final = frozenset(
    (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ENOPROTOOPT, errno.EPFNOSUPPORT)
)


class Listeners:
    """`make_connection` makes the protocol of each client.

    `has_room` says whether a client may begin a TLS handshake, and counts it if not.

    Of several network processes (`numbering`) all have the TCP addresses. The primary makes sure
    that no other server has them, and the Unix socket is its alone. A worker takes over what the
    primary could have; what it cannot have itself it does without, and logs that.
    """

    def __init__(
        self,
        config: LiveConfig,
        make_connection: Callable[[], asyncio.Protocol],
        has_room: Callable[[], bool],
        numbering: Numbering = SOLE,
    ) -> None:
        self._config = config
        self._is_shared = numbering.count > 1
        self._is_primary = numbering.number == 0
        self._make_connection = make_connection
        self.handshakes = Handshakes(has_room, lambda: config.settings.tls_handshake_timeout)
        self._tls: TlsContext | None = None
        self._sockets: dict[Address, socket.socket] = {}
        self._servers: dict[Address, asyncio.Server] = {}
        # Those belong to the event loop, which has not yet given a server for them.
        self._starting: set[socket.socket] = set()
        self._unix_identity: tuple[int, int] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        config.apply_with(self._apply)

    # ---- life

    def bind(self) -> None:
        """Take all addresses without listening yet.

        `ConfigError` for certificates that cannot be used, `OSError` for an address.
        """
        settings = self._config.settings
        addresses = self._wanted(settings)
        if not addresses and self._is_primary:
            raise ConfigError(["port, tls-port, unixsocket: none is set, nobody could connect"])
        if settings.tls_port:
            self._tls = make_context(settings)
        try:
            for address in addresses:
                self._take(address, settings, is_new=True)
        except OSError:
            self.close()
            raise
        if addresses and not self._sockets:
            raise OSError(errno.EADDRNOTAVAIL, "this machine has none of the addresses of bind")
        if settings.unixsocket and self._is_primary:
            self._unix_identity = identity_of(settings.unixsocket)

    async def start(self) -> None:
        """From now on clients can connect.

        `OSError` if another server that started at the same time was quicker: two may take an
        address, but one only can listen.
        """
        for address in list(self._sockets):
            self._listen(address, is_new=True)
            await self._serve(address)

    def close(self) -> None:
        """Nobody can connect any more; connections stay."""
        for address in list(self._sockets):
            self._release(address)
        for handshake in self.handshakes:
            handshake.abort()
        remove_own(self._config.settings.unixsocket, self._unix_identity)

    def _wanted(self, settings: Settings) -> list[Address]:
        """Where this process is to listen."""
        addresses = addresses_of(settings)
        return [each for each in addresses if self._is_primary or each.kind != "unix"]

    def _check_free(self, address: Address, *, is_new: bool) -> None:
        """`OSError` for an address that is not free, although the system would let it be shared.

        Another server is looked for unless this one has the port already: its own workers would be
        found.
        """
        if not self._is_shared:
            return
        if any(clash(address, held) for held in self._sockets if held != address):
            raise OSError(errno.EADDRINUSE, f"{address}: {os.strerror(errno.EADDRINUSE)}")
        if is_new and self._is_primary and address.kind != "unix":
            check_free(address)

    def _take(self, address: Address, settings: Settings, *, is_new: bool) -> None:
        """`is_new`: this server does not have that port yet."""
        try:
            self._check_free(address, is_new=is_new)
            self._sockets[address] = take(address, settings.unixsocketperm, shares=self._is_shared)
        except OSError as error:
            is_missing = error.errno == errno.EADDRNOTAVAIL and address.is_optional
            if not is_missing and error.errno not in _UNSUPPORTED:
                raise
            logger.info("not listening on %s", error.strerror)

    def _listen(self, address: Address, *, is_new: bool) -> None:
        """From now on the system takes connections, which may have to wait for `_serve`.

        Only this tells whether another server has the port. It is not left to uvloop, which would
        go on without a word.
        """
        if is_new:
            # Another one that started at the same time may have been quicker.
            self._check_free(address, is_new=True)
        try:
            self._sockets[address].listen(self._config.settings.tcp_backlog)
        except OSError as error:
            raise OSError(error.errno, f"{address}: {error.strerror}") from error

    async def _serve(self, address: Address) -> None:
        handle = self._sockets.get(address)
        if handle is None:
            # CONFIG SET has given it up again.
            return
        factory = self._make_tls_layer if address.kind == "tls" else self._make_connection
        backlog = self._config.settings.tcp_backlog
        loop = asyncio.get_running_loop()
        self._starting.add(handle)
        try:
            server = await loop.create_server(factory, sock=handle, backlog=backlog)
        finally:
            self._starting.discard(handle)
        if self._sockets.get(address) is handle:
            self._servers[address] = server
            logger.info("ready to accept connections on %s", address)
        else:
            server.close()

    def _make_tls_layer(self) -> TlsLayer:
        assert self._tls is not None, "there is no TLS port without a context"
        return TlsLayer(self._tls.context, self._make_connection, self.handshakes)

    def _release(self, address: Address) -> None:
        handle, server = self._sockets.pop(address), self._servers.pop(address, None)
        if server is not None:
            server.close()
        elif handle not in self._starting:
            handle.close()

    # ---- CONFIG SET

    def _apply(self, new: Settings, names: Collection[str]) -> tuple[str, str] | None:
        """Follow new settings; if that fails, the name of the one to blame and why."""
        failure = self._follow(new, names)
        if failure is None or self._is_primary:
            return failure
        # The primary could, and has answered; the other settings are to be the same everywhere.
        logger.error("this process goes on without the new %s: %s", *failure)
        return None

    def _follow(self, new: Settings, names: Collection[str]) -> tuple[str, str] | None:
        tls_names = [name for name in names if _is_of_context(name)]
        address_names = [name for name in _ADDRESS_SETTINGS if name in names]
        tls = self._tls
        if new.tls_port and tls_names:
            # Also where the names of the files are the old ones: their content may be new.
            try:
                tls = make_context(new)
            except ConfigError as error:
                for problem in error.problems:
                    logger.warning("CONFIG SET: %s", problem)
                return tls_names[0], _TLS_FAILED
        if address_names:
            try:
                self._move(new)
            except OSError as error:
                logger.warning("CONFIG SET: cannot listen: %s", error)
                name = address_names[0]
                return name, _BIND_FAILED if name == "bind" else _PORT_FAILED
        self._tls = tls if new.tls_port else None
        return None

    def _move(self, new: Settings) -> None:
        """Have the addresses of `new`; `OSError` leaves those of before."""
        ports = {address.port for address in self._sockets}
        steps = change(self._sockets, self._wanted(new))
        for address in steps.close_first:
            self._release(address)
        taken: list[Address] = []
        try:
            for address in steps.take:
                is_new = address.port not in ports
                self._take(address, new, is_new=is_new)
                if address in self._sockets:
                    taken.append(address)
                    self._listen(address, is_new=is_new)
        except OSError as error:
            for address in taken:
                self._release(address)
            for address in steps.close_first:
                self._take_back(address)
            raise OSError(error.errno, error.strerror) from error
        for address in taken:
            self._run(self._serve(address))
        for address in steps.close_last:
            self._release(address)

    def _take_back(self, address: Address) -> None:
        try:
            self._take(address, self._config.settings, is_new=False)
            self._listen(address, is_new=False)
        except OSError as error:
            # Another process was quicker in that moment.
            logger.error("no longer listening on %s", error.strerror)
            if address in self._sockets:
                self._release(address)
            return
        self._run(self._serve(address))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- what INFO tells

    def sections(self) -> dict[str, dict[str, Any]]:
        """The lines of the listeners, and a section on TLS if there is a port for it."""
        sections: dict[str, dict[str, Any]] = {"server": dict(listener_lines(self._sockets))}
        if self._tls is not None:
            sections["tls"] = {
                "tls_port": self._config.settings.tls_port,
                "tls_certificate_not_after": self._tls.validity.end.isoformat(),
                **self.handshakes.facts(),
            }
        return sections


def _is_of_context(name: str) -> bool:
    """Whether a setting says how TLS is spoken; setting it reads all certificates anew."""
    return name.startswith(_TLS_PREFIX) and name != _TLS_TIMEOUT
