"""Sockets that take an address, and are not listened on yet (shell)."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator

from kiwi_engine.server.network.transport.addresses import Address


def take(address: Address, unix_mode: int, *, shares: bool = False) -> socket.socket:
    """Have `address`; `OSError` that names it if that cannot be.

    `unix_mode` are the permissions of a Unix socket, 0 leaving those that the system gives. With
    `shares` other processes of this user may have the same port, if they share it, too: the system
    spreads the clients. It would not refuse it to another server: see `check_free`.
    """
    with _naming(address):
        if address.kind == "unix":
            return _take_path(address.word, unix_mode)
        return _take_port(address, shares=shares)


def check_free(address: Address) -> None:
    """`OSError` that names a TCP address which another process listens on.

    Whoever connects in this moment is let go at once.
    """
    with _naming(address), _take_port(address, shares=False) as probe:
        # Two may take an address, but one only can listen.
        probe.listen(1)


@contextlib.contextmanager
def _naming(address: Address) -> Iterator[None]:
    """Let an `OSError` say which address it is about."""
    try:
        yield
    except OSError as error:
        # Not `filename`, which would be printed behind the reason.
        raise OSError(error.errno, f"{address}: {error.strerror or error}") from error


def _take_port(address: Address, *, shares: bool) -> socket.socket:
    """A name is looked up, which can take a while; addresses are not."""
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    found = socket.getaddrinfo(
        address.host, address.port, family, socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    handle = socket.socket(family, socket.SOCK_STREAM)
    try:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if address.is_ipv6:
            # IPv4 has sockets of its own; without this `* ::*` would be refused.
            handle.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        handle.bind(found[0][4])
    except BaseException:
        handle.close()
        raise
    return handle


def _take_path(path: str, mode: int) -> socket.socket:
    _remove_stale(path)
    handle = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        handle.bind(path)
        if mode:
            # Nobody can connect before this: it is not listened on yet.
            os.chmod(path, mode)
    except BaseException:
        handle.close()
        raise
    return handle


def _remove_stale(path: str) -> None:
    """Remove the socket that a server left behind that was killed; `OSError` if one uses it."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(errno.EEXIST, "there is a file that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # With a Unix socket that is decided at once.
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            # Many wait there to be accepted.
            pass
    raise OSError(errno.EADDRINUSE, "another server listens there")


def identity_of(path: str) -> tuple[int, int] | None:
    """What tells a file from another one that took its name; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def remove_own(path: str, identity: tuple[int, int] | None) -> None:
    """Remove the socket at `path`, unless it is no longer the one with that identity."""
    if identity is not None and identity_of(path) == identity:
        with contextlib.suppress(OSError):
            os.unlink(path)


def tune(handle: socket.socket, keepalive_s: int) -> None:
    """No delay for replies; ask silent peers whether they are there, as Redis does.

    A Unix socket has neither delays nor silent peers.
    """
    if handle.family == socket.AF_UNIX:
        return
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if keepalive_s:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive_s)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, keepalive_s // 3))
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
