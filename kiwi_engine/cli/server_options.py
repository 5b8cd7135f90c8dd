"""The options of verbs that ask a server, or open a directory instead (pure).

Their names are those of redis-cli, where it has them in full words.
"""

from __future__ import annotations

import argparse
import os
from typing import Final

from kiwi_engine.cli.target import Target, TlsOptions
from kiwi_engine.errors import ConfigError

PASSWORD_VARIABLE: Final = "KIWI_REQUIREPASS"
DEFAULT_PORT: Final = 7379
_ONLY_WITH_TLS: Final = ("cacert", "cert", "key", "sni", "insecure")


def add_server_options(parser: argparse.ArgumentParser, dir_help: str) -> None:
    """Which server, or --dir, and how to connect to it and log in."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port of the server (default: %(default)s)"
    )
    source.add_argument("--socket", metavar="PATH", help="its Unix socket, instead of a port")
    source.add_argument("--dir", metavar="DIR", help=dir_help)
    group = parser.add_argument_group("connection to the server")
    group.add_argument("--host", default="127.0.0.1", help="its address (default: %(default)s)")
    group.add_argument("--user", metavar="NAME", help="the user to log in as (default: default)")
    group.add_argument(
        "--password", help=f"the password (default: {PASSWORD_VARIABLE} of the environment)"
    )
    group.add_argument("--tls", action="store_true", help="the port is one for TLS")
    group.add_argument(
        "--cacert",
        metavar="FILE",
        help="who may have signed the server's certificate (default: those that the system trusts)",
    )
    group.add_argument("--cert", metavar="FILE", help="certificate to show to the server")
    group.add_argument("--key", metavar="FILE", help="the key of that certificate")
    group.add_argument(
        "--sni", metavar="NAME", help="the name in the server's certificate, if it is not --host"
    )
    group.add_argument(
        "--insecure", action="store_true", help="talk to a server whatever its certificate is"
    )


def target_of(arguments: argparse.Namespace) -> Target:
    """The server that the options mean; `ConfigError` if they contradict each other."""
    given = [name for name in _ONLY_WITH_TLS if getattr(arguments, name)]
    if given and not arguments.tls:
        raise ConfigError([f"--{name}: makes sense with --tls only" for name in given])
    if arguments.tls and arguments.socket is not None:
        raise ConfigError(["--tls: there is no TLS on a Unix socket"])
    if bool(arguments.cert) != bool(arguments.key):
        raise ConfigError(["--cert, --key: one needs the other"])
    tls = None
    if arguments.tls:
        tls = TlsOptions(
            authority_file=arguments.cacert,
            certificate_file=arguments.cert,
            key_file=arguments.key,
            server_name=arguments.sni or arguments.host,
            is_verified=not arguments.insecure,
        )
    return Target(
        host=arguments.host,
        port=arguments.port,
        socket_path=arguments.socket,
        user=arguments.user,
        password=_password_of(arguments),
        tls=tls,
    )


def _password_of(arguments: argparse.Namespace) -> str:
    if arguments.password is not None:
        return str(arguments.password)
    return os.environ.get(PASSWORD_VARIABLE, "")
