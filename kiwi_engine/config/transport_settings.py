"""Settings of how clients reach the server (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args

import msgspec

from kiwi_engine.config.kinds import Choice, Duration, Integer, Permissions, Text, Words, YesNo
from kiwi_engine.config.rows import HOUR_MS, NETWORK, Row

# In the order in which Redis lists them.
ClientCertificates = Literal["no", "yes", "optional"]

TLS_VERSIONS: Final = ("TLSv1.2", "TLSv1.3")


@dataclass(frozen=True)
class TlsVersions:
    """Names of versions of TLS, in the order of age; none means all."""

    def parse(self, words: Sequence[str]) -> tuple[str, ...]:
        given = {part.lower() for word in words for part in word.split()}
        known = {name.lower() for name in TLS_VERSIONS}
        if not given <= known:
            raise ValueError(
                f"argument must be {' or '.join(TLS_VERSIONS)}, or both; older ones are broken"
            )
        return tuple(name for name in TLS_VERSIONS if name.lower() in (given or known))

    def render(self, value: Any) -> str:
        return " ".join(value)

    def describe(self) -> str:
        return "words of " + ", ".join(f"`{name}`" for name in TLS_VERSIONS)


class TransportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses, and the connections as the system sees them."""

    # --- Network ---
    port: Annotated[
        int,
        Row(
            NETWORK,
            Integer(0, 65535),
            "TCP port on which clients connect; 0: none.",
            runtime=True,
            redis=True,
        ),
    ] = 7379
    bind: Annotated[
        tuple[str, ...],
        Row(
            NETWORK,
            Words(),
            "Addresses to listen on; `*` is every IPv4 address, `::*` every IPv6 address. One "
            "behind a `-` may be missing. A server that others can reach should set requirepass.",
            runtime=True,
            redis=True,
        ),
    ] = ("127.0.0.1",)
    protected_mode: Annotated[
        bool,
        Row(
            NETWORK,
            YesNo(),
            "Whether clients of other machines are turned away while the user default has no "
            "password.",
            runtime=True,
            redis=True,
        ),
    ] = True
    tcp_backlog: Annotated[
        int,
        Row(NETWORK, Integer(1, 65535), "Connections that may wait to be accepted.", redis=True),
    ] = 511
    tcp_keepalive: Annotated[
        int,
        Row(
            NETWORK,
            Integer(0, 86400, "seconds"),
            "Idle seconds after which the kernel probes a client that may be gone; 0: never.",
            runtime=True,
            redis=True,
        ),
    ] = 300
    unixsocket: Annotated[
        str,
        Row(
            NETWORK,
            Text(),
            "Path of a Unix socket on which clients connect, too; empty: none.",
            redis=True,
        ),
    ] = ""
    unixsocketperm: Annotated[
        int,
        Row(
            NETWORK,
            Permissions(),
            "Permissions of the Unix socket, e.g. 770; 0: those that the system gives to new "
            "files.",
            redis=True,
        ),
    ] = 0
    tls_port: Annotated[
        int,
        Row(
            NETWORK,
            Integer(0, 65535),
            "TCP port on which clients connect with TLS; 0: none.",
            runtime=True,
            redis=True,
        ),
    ] = 0
    tls_cert_file: Annotated[
        str,
        Row(
            NETWORK,
            Text(),
            "The server's certificate (PEM), with the intermediate ones behind it. Setting it "
            "again, also to the same path, reads the files anew.",
            runtime=True,
            redis=True,
        ),
    ] = ""
    tls_key_file: Annotated[
        str,
        Row(NETWORK, Text(), "The key of the certificate (PEM).", runtime=True, redis=True),
    ] = ""
    tls_key_file_pass: Annotated[
        str,
        Row(
            NETWORK,
            Text(),
            "Password of the key, if it is encrypted.",
            runtime=True,
            redis=True,
        ),
    ] = ""
    tls_ca_cert_file: Annotated[
        str,
        Row(
            NETWORK,
            Text(),
            "Certificates (PEM) of those who sign the certificates of clients.",
            runtime=True,
            redis=True,
        ),
    ] = ""
    tls_ca_cert_dir: Annotated[
        str,
        Row(
            NETWORK,
            Text(),
            "Directory of such certificates, named as `openssl rehash` does.",
            runtime=True,
            redis=True,
        ),
    ] = ""
    tls_dh_params_file: Annotated[
        str,
        Row(
            NETWORK,
            Text(),
            "Diffie-Hellman parameters (PEM), for TLSv1.2 clients that know no elliptic curves.",
            runtime=True,
            redis=True,
        ),
    ] = ""
    tls_auth_clients: Annotated[
        ClientCertificates,
        Row(
            NETWORK,
            Choice(get_args(ClientCertificates)),
            "Whether clients must have a certificate; optional: one that they show must be good.",
            runtime=True,
            redis=True,
        ),
    ] = "yes"
    tls_protocols: Annotated[
        tuple[str, ...],
        Row(NETWORK, TlsVersions(), "Versions of TLS that are spoken.", runtime=True, redis=True),
    ] = TLS_VERSIONS
    tls_ciphers: Annotated[
        str,
        Row(
            NETWORK,
            Text(),
            "Ciphers for TLSv1.2, as `openssl ciphers` takes them; empty: those that Python "
            "thinks good.",
            runtime=True,
            redis=True,
        ),
    ] = ""
    tls_prefer_server_ciphers: Annotated[
        bool,
        Row(
            NETWORK,
            YesNo(),
            "Whether the server's order of ciphers counts, rather than the client's.",
            runtime=True,
            redis=True,
        ),
    ] = False
    tls_handshake_timeout: Annotated[
        int,
        Row(
            NETWORK,
            Duration(1, HOUR_MS, "ms"),
            "Time in which a client must have finished its TLS handshake.",
            runtime=True,
        ),
    ] = 10_000
