"""What settings of TLS mean, and what is said about those that cannot be used."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

import msgspec
import pytest

from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ConfigError
from kiwi_engine.server.network.transport.tls_context import make_context
from tests.transport.files import (
    FOLDER,
    PARAMETERS,
    PASSWORD,
    certificate,
    key,
    server_files,
)


def settings_with(**changes: object) -> Settings:
    files = {name.replace("-", "_"): path for name, path in server_files().items()}
    return msgspec.structs.replace(Settings(tls_port=1), **{**files, **changes})


def context_with(**changes: object) -> ssl.SSLContext:
    return make_context(settings_with(**changes)).context


def problems_with(**changes: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        context_with(**changes)
    return caught.value.problems


def test_defaults() -> None:
    context = context_with()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.maximum_version is ssl.TLSVersion.TLSv1_3
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert not context.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    assert not context.check_hostname


@pytest.mark.parametrize(
    ("word", "mode"),
    [("yes", ssl.CERT_REQUIRED), ("optional", ssl.CERT_OPTIONAL), ("no", ssl.CERT_NONE)],
)
def test_certificates_of_clients(word: str, mode: ssl.VerifyMode) -> None:
    assert context_with(tls_auth_clients=word).verify_mode is mode


def test_everything_that_can_be_set() -> None:
    context = context_with(
        tls_protocols=("TLSv1.2",),
        tls_ciphers="ECDHE-ECDSA-AES128-GCM-SHA256",
        tls_prefer_server_ciphers=True,
        tls_dh_params_file=PARAMETERS,
        tls_ca_cert_dir=str(FOLDER),
        tls_key_file=key("locked"),
        tls_key_file_pass=PASSWORD,
    )
    assert context.maximum_version is ssl.TLSVersion.TLSv1_2
    names = {cipher["name"] for cipher in context.get_ciphers()}
    assert "ECDHE-ECDSA-AES128-GCM-SHA256" in names
    assert not any(name.startswith("DHE") for name in names)
    assert context.options & ssl.OP_CIPHER_SERVER_PREFERENCE


def test_without_certificates_of_clients_no_authority_is_needed() -> None:
    assert context_with(tls_auth_clients="no", tls_ca_cert_file="").cert_store_stats()["x509"] == 0
    (problem,) = problems_with(tls_ca_cert_file="")
    assert problem.startswith("tls-auth-clients: ")
    (problem,) = problems_with(tls_ca_cert_file="", tls_auth_clients="optional")
    assert "tls-ca-cert-file" in problem


def test_all_files_that_are_missing_are_told_at_once(tmp_path: Path) -> None:
    assert problems_with(
        tls_cert_file="/nosuch/a",
        tls_key_file=str(tmp_path),
        tls_ca_cert_file="/nosuch/c",
        tls_ca_cert_dir="/nosuch/d",
        tls_dh_params_file="/nosuch/e",
    ) == [
        "tls-cert-file: cannot read /nosuch/a: No such file or directory",
        f"tls-key-file: cannot read {tmp_path}: Is a directory",
        "tls-ca-cert-file: cannot read /nosuch/c: No such file or directory",
        "tls-ca-cert-dir: /nosuch/d is not a directory",
        "tls-dh-params-file: cannot read /nosuch/e: No such file or directory",
    ]
    assert len(problems_with(tls_cert_file="", tls_key_file="")) == 2


def test_files_of_another_kind() -> None:
    other = str(Path(__file__))
    assert problems_with(tls_cert_file=other) == [
        f"tls-cert-file: {other}: there is no certificate in it"
    ]
    assert problems_with(
        tls_key_file=other,
        tls_ca_cert_file=key("server"),
        tls_dh_params_file=other,
        tls_ciphers="nosuch",
    ) == [
        f"tls-key-file: no key can be read from {other} without a password",
        f"tls-ca-cert-file: there is no certificate in {key('server')}",
        "tls-ciphers: OpenSSL knows no cipher of 'nosuch'",
        f"tls-dh-params-file: there are no parameters in {other}",
    ]


def test_a_key_of_another_certificate() -> None:
    (problem,) = problems_with(tls_key_file=key("renewed"))
    said = f"tls-key-file: {key('renewed')} is not the key of the certificate in "
    assert problem == said + certificate("server")


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_key_that_is_locked_is_not_asked_for_at_the_terminal(password: str) -> None:
    (problem,) = problems_with(tls_key_file=key("locked"), tls_key_file_pass=password)
    assert problem.startswith(f"tls-key-file: no key can be read from {key('locked')} with")
    assert "wrong" not in problem


def test_a_certificate_that_is_cut_off(tmp_path: Path) -> None:
    cut = tmp_path / "cut.crt"
    lines = Path(certificate("server")).read_text().splitlines(keepends=True)
    cut.write_text("".join((*lines[:2], lines[-1])))
    assert problems_with(tls_cert_file=str(cut)) == [
        f"tls-cert-file: {cut}: the certificate in it is cut off"
    ]


def test_a_certificate_that_openssl_does_not_want() -> None:
    assert problems_with(tls_cert_file=certificate("weak"), tls_key_file=key("weak")) == [
        f"tls-cert-file: {certificate('weak')}: EE_KEY_TOO_SMALL"
    ]


def test_an_expired_certificate_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        context_with()
        assert caplog.messages == []
        context_with(tls_cert_file=certificate("expired"), tls_key_file=key("expired"))
    (message,) = caplog.messages
    assert message.startswith(f"the certificate in {certificate('expired')} has expired at 2021-")


def test_the_authority_is_the_one_that_was_given() -> None:
    (found,) = context_with().get_ca_certs()
    assert found["subject"] == ((("commonName", "authority"),),)
