"""A running server, as the command line names it, and connecting to it (shell)."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

from kiwi_engine.errors import ServerUnreachableError


@dataclass(frozen=True)
class TlsOptions:
    """Files are paths, or None; `is_verified`: the server has to prove who it is."""

    authority_file: str | None
    certificate_file: str | None
    key_file: str | None
    server_name: str
    is_verified: bool


@dataclass(frozen=True)
class Target:
    """`socket_path` wins over `host` and `port`; `user` None means the one called default."""

    host: str
    port: int
    socket_path: str | None = None
    user: str | None = None
    password: str = ""
    tls: TlsOptions | None = None

    def __str__(self) -> str:
        return self.socket_path or f"{self.host}:{self.port}"

    def connect(self, timeout_seconds: float) -> socket.socket:
        """A connection; `ServerUnreachableError` says why there is none and what to do."""
        try:
            plain = self._connect_plain(timeout_seconds)
        except (ConnectionRefusedError, FileNotFoundError) as error:
            raise ServerUnreachableError(
                f"no server listens on {self}; start one with `kiwi-engine serve`, "
                "or read its data directory with --dir"
            ) from error
        except OSError as error:
            raise ServerUnreachableError(f"cannot connect to {self}: {error}") from error
        if self.tls is None:
            return plain
        try:
            return self._wrap(plain, self.tls)
        except BaseException:
            plain.close()
            raise

    def _connect_plain(self, timeout_seconds: float) -> socket.socket:
        if self.socket_path is None:
            return socket.create_connection((self.host, self.port), timeout=timeout_seconds)
        handle = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            handle.settimeout(timeout_seconds)
            handle.connect(self.socket_path)
        except BaseException:
            handle.close()
            raise
        return handle

    def _wrap(self, plain: socket.socket, tls: TlsOptions) -> ssl.SSLSocket:
        context = _context(tls)
        try:
            return context.wrap_socket(plain, server_hostname=tls.server_name)
        except ssl.SSLCertVerificationError as error:
            raise ServerUnreachableError(
                f"the certificate of {self} is not trusted: {error.verify_message}; see --cacert "
                "and --sni"
            ) from error
        except (ssl.SSLError, OSError) as error:
            raise ServerUnreachableError(f"{self} does not speak TLS: {error}") from error


def _context(tls: TlsOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.authority_file)
    except (ssl.SSLError, OSError) as error:
        raise ServerUnreachableError(
            f"--cacert: {tls.authority_file} cannot be used: {error}"
        ) from error
    if tls.certificate_file is not None:
        try:
            context.load_cert_chain(tls.certificate_file, tls.key_file)
        except (ssl.SSLError, OSError) as error:
            raise ServerUnreachableError(
                f"--cert, --key: {tls.certificate_file}, {tls.key_file} cannot be used: {error}"
            ) from error
    if not tls.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
