"""The validity of a certificate, read without OpenSSL."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kiwi_engine.server.network.transport.certificates import Validity, validity_of
from tests.transport.files import FOLDER, certificate


def text_of(name: str) -> str:
    return Path(certificate(name)).read_text()


def test_two_ways_to_write_a_year() -> None:
    """2020 has two digits there, 2120 has four."""
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    assert validity_of(text_of("server")) == Validity(begin, datetime(2120, 1, 1, tzinfo=UTC))
    assert validity_of(text_of("expired")) == Validity(begin, datetime(2021, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.crt")), ids=lambda path: path.name)
def test_all_of_them_can_be_read(path: Path) -> None:
    assert validity_of(path.read_text()).begin.year == 2020


def test_the_first_one_counts_and_what_stands_around_it_does_not() -> None:
    text = "Subject: x\n" + text_of("expired") + text_of("server")
    assert validity_of(text) == validity_of(text_of("expired"))


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\n", Path(__file__).read_text()])
def test_no_certificate(text: str) -> None:
    with pytest.raises(ValueError, match="no certificate"):
        validity_of(text)


def test_a_damaged_one_is_refused_or_read_but_nothing_else() -> None:
    encoded = ssl.PEM_cert_to_DER_cert(text_of("server"))
    refused = 0
    for position in range(len(encoded)):
        for damaged in (
            encoded[:position],
            encoded[:position] + bytes((encoded[position] ^ 0xFF,)) + encoded[position + 1 :],
        ):
            try:
                validity_of(ssl.DER_cert_to_PEM_cert(damaged))
            except ValueError:
                refused += 1
    assert refused > 100
