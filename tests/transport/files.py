"""The certificates of the tests (pure); certificates/make.sh says what each is."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "certificates"
PASSWORD: Final = "secret"


def certificate(name: str) -> str:
    return str(FOLDER / f"{name}.crt")


def key(name: str) -> str:
    return str(FOLDER / f"{name}.key")


AUTHORITY: Final = certificate("authority")
PARAMETERS: Final = str(FOLDER / "parameters.dh")


def server_files(name: str = "server") -> dict[str, str]:
    """Settings for a server with that certificate, which knows the authority."""
    return {
        "tls-cert-file": certificate(name),
        "tls-key-file": key(name),
        "tls-ca-cert-file": AUTHORITY,
    }


def client_context(name: str | None = "client") -> ssl.SSLContext:
    """For a client that trusts the authority, and shows the certificate `name` if asked for one."""
    context = ssl.create_default_context(cafile=AUTHORITY)
    if name is not None:
        context.load_cert_chain(certificate(name), key(name))
    return context
