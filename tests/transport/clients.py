"""Raw clients over TLS and Unix sockets, and servers for them (shell)."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import hiredis

from tests.conftest import QUICK_START
from tests.support.client import Client
from tests.support.ports import free_port
from tests.support.servers import ServerProcess, kiwi
from tests.transport.files import client_context, server_files


class SocketClient(Client):
    """A raw client on a connection that exists."""

    def __init__(self, handle: socket.socket) -> None:
        self.socket = handle
        self._reader = hiredis.Reader(notEnoughData=Ellipsis)


@dataclass
class Served:
    """A server with every kind of listener."""

    server: ServerProcess
    tls_port: int
    socket_path: str

    def plain(self) -> Client:
        return self.server.client()

    def secure(self, context: ssl.SSLContext | None = None) -> SocketClient:
        return SocketClient(self.secure_socket(context))

    def secure_socket(self, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.tls_port), timeout=30)
        return (context or client_context()).wrap_socket(plain, server_hostname="127.0.0.1")

    def unix(self) -> SocketClient:
        handle = socket.socket(socket.AF_UNIX)
        handle.settimeout(30)
        handle.connect(self.socket_path)
        return SocketClient(handle)


def every_listener(folder: Path, **settings: str | int) -> Served:
    """Not started yet; its clients need certificates."""
    tls_port = free_port()
    path = str(folder / "kiwi.socket")
    flags = {name.replace("_", "-"): value for name, value in settings.items()}
    wanted = {
        **QUICK_START,
        **server_files(),
        "tls-port": tls_port,
        "unixsocket": path,
        "unixsocketperm": "700",
        "bind": "127.0.0.1 -::1",
        "enable-debug-command": "local",
        **flags,
    }
    return Served(kiwi(folder / "data", wanted), tls_port, path)
