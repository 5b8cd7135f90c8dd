"""`kiwi-engine stats` and its like, over every kind of connection."""

from __future__ import annotations

import json

import pytest

from kiwi_engine.cli.main import main
from tests.support.ports import free_port
from tests.transport.clients import Served
from tests.transport.files import AUTHORITY, certificate, key

CERTIFICATE = ("--cert", certificate("client"), "--key", key("client"))


def stats(*words: str) -> int:
    return main(["stats", "--json", *words])


def test_every_kind_of_connection(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    tls = ("--port", str(served.tls_port), "--tls", *CERTIFICATE)
    for words in (
        ("--port", str(served.server.port)),
        ("--socket", served.socket_path),
        (*tls, "--cacert", AUTHORITY),
        (*tls, "--cacert", AUTHORITY, "--sni", "localhost"),
        (*tls, "--insecure"),
    ):
        assert stats(*words) == 0, capsys.readouterr().err
        assert json.loads(capsys.readouterr().out)["tls"]["tls_port"] == served.tls_port


def test_what_goes_wrong_is_explained(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    plain, tls = str(served.server.port), str(served.tls_port)
    trusting = ("--tls", "--cacert", AUTHORITY)
    for words, explanation in (
        (("--port", tls), "plain text on a port with TLS"),
        (("--port", plain, *trusting), "does not speak TLS"),
        (("--port", tls, "--tls"), "is not trusted"),
        (("--port", tls, *trusting, *CERTIFICATE, "--sni", "elsewhere"), "Hostname mismatch"),
        (("--port", tls, *trusting), "wants a certificate: give --cert and --key"),
        (("--port", tls, "--tls", "--cacert", "/nosuch"), "--cacert: /nosuch cannot be used"),
        (("--port", tls, *trusting, "--cert", "/no", "--key", "/no"), "--cert, --key: /no, /no"),
        (("--port", str(free_port()), *trusting), "no server listens on 127.0.0.1:"),
        (("--socket", "/nosuch/socket"), "no server listens on /nosuch/socket"),
    ):
        assert stats(*words) == 1
        assert explanation in capsys.readouterr().err, words


@pytest.mark.parametrize(
    ("words", "explanation"),
    [
        (["--cacert", "a", "--insecure"], "--cacert: makes sense with --tls only"),
        (["--socket", "/a", "--tls"], "--tls: there is no TLS on a Unix socket"),
        (["--tls", "--cert", "a"], "--cert, --key: one needs the other"),
    ],
)
def test_options_that_contradict_each_other(
    words: list[str], explanation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stats(*words) == 2
    assert explanation in capsys.readouterr().err


def test_a_user_logs_in(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    port = str(served.server.port)
    with served.plain() as client:
        client.command("ACL", "SETUSER", "watcher", "on", ">hidden", "+info")
        try:
            assert stats("--port", port, "--user", "watcher", "--password", "hidden") == 0
            assert stats("--port", port, "--user", "watcher", "--password", "wrong") == 1
            assert "refused the password" in capsys.readouterr().err
        finally:
            client.command("ACL", "DELUSER", "watcher")
