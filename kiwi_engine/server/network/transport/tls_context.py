"""Certificates and rules of TLS from the settings (shell: it reads files).

What OpenSSL says about a file is hard to understand, so each file is looked at before: the problems
name the setting, the file, and what is wrong with it.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from kiwi_engine.clock import wall_ms
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ConfigError
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.fs.replace import read_file
from kiwi_engine.server.network.transport.certificates import Validity, validity_of

logger = logging.getLogger(__name__)

_VERSIONS: Final = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_VERIFICATION: Final = {
    "yes": ssl.CERT_REQUIRED,
    "optional": ssl.CERT_OPTIONAL,
    "no": ssl.CERT_NONE,
}


class TlsContext(NamedTuple):
    """What new connections are made with, and how long its certificate is valid."""

    context: ssl.SSLContext
    validity: Validity


def make_context(settings: Settings) -> TlsContext:
    """What `settings` say; `ConfigError` lists all that is wrong with them."""
    problems: list[str] = []
    validity = _check_files(settings, problems)
    if problems or validity is None:
        raise ConfigError(problems)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    versions = [_VERSIONS[name] for name in settings.tls_protocols]
    context.minimum_version, context.maximum_version = min(versions), max(versions)
    # Whoever may ask for new handshakes on one connection may ask for a thousand.
    context.options |= ssl.OP_NO_RENEGOTIATION
    if not settings.tls_prefer_server_ciphers:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _load(settings, context, problems)
    if problems:
        raise ConfigError(problems)
    context.verify_mode = _VERIFICATION[settings.tls_auth_clients]
    _warn_about_dates(settings.tls_cert_file, validity)
    return TlsContext(context, validity)


def _check_files(settings: Settings, problems: list[str]) -> Validity | None:
    """Until when the certificate is valid; problems are appended."""
    validity = None
    if not settings.tls_cert_file:
        problems.append("tls-cert-file: tls-port needs a certificate")
    else:
        text = _text_of("tls-cert-file", settings.tls_cert_file, problems)
        try:
            validity = None if text is None else validity_of(text)
        except ValueError as error:
            problems.append(f"tls-cert-file: {settings.tls_cert_file}: {error}")
    if not settings.tls_key_file:
        problems.append("tls-key-file: tls-port needs the key of its certificate")
    else:
        _text_of("tls-key-file", settings.tls_key_file, problems)
    if settings.tls_ca_cert_file:
        _text_of("tls-ca-cert-file", settings.tls_ca_cert_file, problems)
    if settings.tls_ca_cert_dir and not os.path.isdir(settings.tls_ca_cert_dir):
        problems.append(f"tls-ca-cert-dir: {settings.tls_ca_cert_dir} is not a directory")
    if settings.tls_dh_params_file:
        _text_of("tls-dh-params-file", settings.tls_dh_params_file, problems)
    has_authority = settings.tls_ca_cert_file or settings.tls_ca_cert_dir
    if settings.tls_auth_clients != "no" and not has_authority:
        problems.append(
            "tls-auth-clients: the certificates of clients are checked against those of "
            "tls-ca-cert-file or tls-ca-cert-dir, and neither is set; or say tls-auth-clients no"
        )
    return validity


def _text_of(setting: str, path: str, problems: list[str]) -> str | None:
    try:
        return read_file(PosixFileSystem(), path).decode("ascii", "replace")
    except OSError as error:
        problems.append(f"{setting}: cannot read {path}: {error.strerror}")
        return None


def _load(settings: Settings, context: ssl.SSLContext, problems: list[str]) -> None:
    """Hand everything to OpenSSL; problems are appended."""

    def attempt(problem: str, load: Callable[..., Any], *arguments: Any) -> None:
        try:
            load(*arguments)
        except (ssl.SSLError, OSError, ValueError) as error:
            logger.debug("OpenSSL: %s", error)
            problems.append(problem)

    try:
        # Without a password OpenSSL would ask for one at the terminal.
        context.load_cert_chain(
            settings.tls_cert_file, settings.tls_key_file, lambda: settings.tls_key_file_pass
        )
    except (ssl.SSLError, ValueError) as error:
        problems.append(_key_problem(settings, error))
    if settings.tls_ca_cert_file:
        attempt(
            f"tls-ca-cert-file: there is no certificate in {settings.tls_ca_cert_file}",
            context.load_verify_locations,
            settings.tls_ca_cert_file,
        )
    if settings.tls_ca_cert_dir:
        attempt(
            f"tls-ca-cert-dir: {settings.tls_ca_cert_dir} cannot be used",
            context.load_verify_locations,
            None,
            settings.tls_ca_cert_dir,
        )
    if settings.tls_ciphers:
        attempt(
            f"tls-ciphers: OpenSSL knows no cipher of '{settings.tls_ciphers}'",
            context.set_ciphers,
            settings.tls_ciphers,
        )
    if settings.tls_dh_params_file:
        attempt(
            f"tls-dh-params-file: there are no parameters in {settings.tls_dh_params_file}",
            context.load_dh_params,
            settings.tls_dh_params_file,
        )


def _key_problem(settings: Settings, error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return (
            f"tls-key-file: {settings.tls_key_file} is not the key of the certificate in "
            f"{settings.tls_cert_file}"
        )
    if isinstance(error, ssl.SSLError) and error.reason not in (None, "PEM lib"):
        # Of a certificate that OpenSSL does not want, e.g. because its key is too short.
        return f"tls-cert-file: {settings.tls_cert_file}: {error.reason}"
    password = "with tls-key-file-pass" if settings.tls_key_file_pass else "without a password"
    return f"tls-key-file: no key can be read from {settings.tls_key_file} {password}"


def _warn_about_dates(path: str, validity: Validity) -> None:
    """Serve with it all the same: some clients do not look, and others tell their user."""
    now = datetime.fromtimestamp(wall_ms() / 1000, UTC)
    if now > validity.end:
        logger.warning("the certificate in %s has expired at %s", path, validity.end)
    elif now < validity.begin:
        logger.warning("the certificate in %s is not valid before %s", path, validity.begin)
