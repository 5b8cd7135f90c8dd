"""Until when a certificate is valid (pure).

Python's `ssl` tells that of a peer's certificate only. So the few fields in front of it are stepped
over here, as X.509 orders them (RFC 5280, section 4.1): version, serial number, algorithm, issuer.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import Final, NamedTuple

_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"


class Validity(NamedTuple):
    """From when until when, in UTC."""

    begin: datetime
    end: datetime


def validity_of(pem: str) -> Validity:
    """The validity of the first certificate in a file; `ValueError` if there is none."""
    start, stop = pem.find(_BEGIN), pem.find(_END)
    if not 0 <= start < stop:
        raise ValueError("there is no certificate in it")
    encoded = ssl.PEM_cert_to_DER_cert(pem[start : stop + len(_END)])
    try:
        certificate = _Fields(_Fields(encoded).take(_SEQUENCE))
        fields = _Fields(certificate.take(_SEQUENCE))
        if fields.next_tag == _VERSION:
            fields.take()
        for _ in ("serial number", "algorithm", "issuer"):
            fields.take()
        validity = _Fields(fields.take(_SEQUENCE))
        return Validity(_time(validity), _time(validity))
    except (IndexError, UnicodeDecodeError):
        raise ValueError("the certificate in it is cut off") from None


class _Fields:
    """Fields of the Distinguished Encoding Rules, one after another: tag, length, content."""

    def __init__(self, encoded: bytes) -> None:
        self._encoded = encoded
        self._position = 0

    @property
    def next_tag(self) -> int:
        return self._encoded[self._position]

    def take(self, tag: int | None = None) -> bytes:
        """The content of the next field; `ValueError` unless it has that tag."""
        if tag is not None and self.next_tag != tag:
            raise ValueError("the certificate in it is none")
        start = self._position + 2
        length = self._encoded[self._position + 1]
        if length & 0x80:
            digits = length & 0x7F
            length = int.from_bytes(self._encoded[start : start + digits], "big")
            start += digits
        self._position = start + length
        return self._encoded[start : self._position]


def _time(fields: _Fields) -> datetime:
    tag = fields.next_tag
    text = fields.take().decode("ascii")
    if tag == _UTC_TIME:
        # Two digits of the year; RFC 5280 puts the turn at 50.
        text = ("20" if int(text[:2]) < 50 else "19") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("the certificate in it is none")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
